"""Somebody else's grid becomes a park folder: read, carried over, equipped, written, and proven equal."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from network.export_park import delivered_net
from network.import_carried import Carried, carried
from network.import_grid import grid_of
from network.import_names import Names
from network.import_settings import settings_of, tie_limit_mw
from network.import_source import Source, source_from_json, source_from_simbench
from network.import_units import NOWHERE, Units, units_of
from vpp.errors import Fault, InvalidInput
from vpp.park import load_park
from vpp.park.draft import Draft, SeriesFile, write_draft
from vpp.park.placement import REGISTER_MAPS, Placement, place, read_placements
from vpp.types import Actuator, Endpoint, Grid, Meter

FIRST_PORT = 15020
SERIES_FILE = "year.csv.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import made."""

    folder: Path
    buses: int
    resources: int
    loads: int
    placed: tuple[str, ...]
    notes: tuple[str, ...]
    """What could not be carried over as it was, in words."""
    deviation_pu: float
    """Greatest voltage difference between the source and the park at the state it was delivered in."""


def import_pandapower(file: Path, out: Path, places: Sequence[str] = ()) -> Imported:
    """Make a park of a pandapower JSON file; InvalidInput with every fault found."""
    return park_of(source_from_json(file), out, places)


def import_simbench(code: str, out: Path, places: Sequence[str] = ()) -> Imported:
    """Make a park of a SimBench grid with its year of profiles; InvalidInput with every fault found."""
    return park_of(source_from_simbench(code), out, places)


def park_of(source: Source, out: Path, places: Sequence[str] = ()) -> Imported:
    """Make a park of a grid that was read and solved; InvalidInput with every fault found."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidInput((Fault(file=str(out), wrong="not empty", expected="a new folder"),))
    on = carried(source.label, source.net)
    faults: list[Fault] = []
    placements = read_placements(places, _called(on), faults)
    grid = grid_of(on)
    faults += on.faults
    if faults:
        raise InvalidInput(tuple(faults))
    draft, placed = _draft(source, on, grid, placements, out.name)
    deviation = _proven(draft, source, out)
    notes = (*on.notes, *on.bus_names.note("buses"), *on.names.note("elements"))
    return Imported(
        folder=out,
        buses=len(grid.buses),
        resources=len(draft.resources),
        loads=len(draft.loads),
        placed=placed,
        notes=notes,
        deviation_pu=deviation,
    )


def _proven(draft: Draft, source: Source, out: Path) -> float:
    """Write the folder, read it back and return how far its voltages are from the source's, pu.

    Nothing is left behind where the park is not good.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out.parent, prefix=".import-") as work:
            folder = Path(work) / out.name
            write_draft(draft, folder)
            net = delivered_net(load_park(folder))
            folder.rename(out)
    except OSError as error:
        wrong = error.strerror or str(error)
        raise InvalidInput((Fault(file=str(out), wrong=wrong, expected="a folder to write"),)) from error
    there = net.res_bus.loc[[bus.id for bus in draft.grid.buses if bus.role == "bus"], "vm_pu"]
    here = source.net.res_bus.loc[there.index, "vm_pu"]
    return float(np.max(np.abs(there.to_numpy() - here.to_numpy())))


def _called(on: Carried) -> dict[str, str]:
    """Return what a bus may be called -> its name in the park: that name, or its only name in the source."""
    names = {str(on.net.bus.at[bus.id, "name"]): bus.name for bus in reversed(on.buses)}
    return {**names, **{bus.name: bus.name for bus in on.buses}}


def _draft(
    source: Source, on: Carried, grid: Grid, placements: Sequence[Placement], folder: str
) -> tuple[Draft, tuple[str, ...]]:
    units = units_of(source, on)
    added, added_params = place(placements, lambda wanted: on.names.give(object(), wanted, "DEV"), NOWHERE)
    resources = (*units.resources, *added)
    draws = sum(load.p_peak_mw for load in units.loads) - sum(r.p_min_mw for r in resources)
    tie_mw = tie_limit_mw(grid, on, draws, sum(r.p_max_mw for r in resources))
    each_mw = tie_mw / len(grid.ext_grids)
    grid = replace(
        grid,
        shunts=(*grid.shunts, *units.statcoms),
        ext_grids=tuple(
            replace(ext, p_import_max_mw=each_mw, p_export_max_mw=each_mw) for ext in grid.ext_grids
        ),
    )
    if len(grid.ext_grids) > 1:
        on.notes.append(f"{len(grid.ext_grids)} external grids are one tie: its power is the sum of all")
    if any(t.tap_step_percent and t.tap_min < t.tap_max for t in grid.trafo_types) or grid.shunts:
        on.notes.append("taps and banks stay where they are: list those a plan may move in actuators.csv")
    settings = settings_of(
        source, on, Names().give(0, folder, "imported"), grid, replace(units, resources=resources)
    )
    series, entries = _series(source, units)
    if entries:
        settings["profile"] = entries
    meters = (
        Meter(id=on.names.give("tie", "TIE", "TIE"), kind="tie", bus=grid.ext_grids[0].bus, endpoint=NOWHERE),
    )
    draft = Draft(
        settings=settings,
        grid=grid,
        resources=resources,
        loads=units.loads,
        meters=meters,
        actuators=_statcom_actuators(on, units),
        params={**units.params, **added_params},
        series=series,
        operating_point=units.operating_point,
    )
    return numbered(draft), tuple(resource.id for resource in added)


def _statcom_actuators(on: Carried, units: Units) -> tuple[Actuator, ...]:
    return tuple(
        Actuator(
            id=on.names.give(("actuator", bank.name), f"A_{bank.name}", "A"),
            kind="statcom",
            element=bank.name,
            endpoint=NOWHERE,
        )
        for bank in units.statcoms
    )


def _series(source: Source, units: Units) -> tuple[tuple[SeriesFile, ...], list[dict[str, Any]]]:
    """Return the year's columns that feed something, and the `[[profile]]` entries."""
    columns = {feed.column: source.series[feed.column] for feed in units.feeds}
    if not columns:
        return (), []
    entries = [
        {
            "resource": feed.element,
            "file": f"profiles/{SERIES_FILE}",
            "column": feed.column,
            "unit": "MW",
            "label": "start",
            "rated_mw": 1.0,
            "scale_to_mw": feed.scale_mw,
        }
        for feed in units.feeds
    ]
    return (SeriesFile(file=SERIES_FILE, times=source.times, columns=columns),), entries


def numbered(draft: Draft) -> Draft:
    """Return the draft with an endpoint of its own for every device, load, meter and actuator.

    InvalidInput where there are more of them than ports.
    """
    tables = (draft.resources, draft.loads, draft.meters, draft.actuators)
    count = sum(map(len, tables))
    if FIRST_PORT + count > 65536:
        expected = f"at most {65536 - FIRST_PORT} loads, plants and stores"
        raise InvalidInput((Fault(file="net", wrong=f"{count} of them", expected=expected),))
    ports = iter(range(FIRST_PORT, FIRST_PORT + count))

    def at(register_map: str) -> Endpoint:
        port = next(ports)
        unit = 1 + (port - FIRST_PORT) % 247
        return Endpoint(register_map=register_map, host="127.0.0.1", port=port, unit=unit)

    return replace(
        draft,
        resources=tuple(replace(r, endpoint=at(REGISTER_MAPS.get(r.kind, r.kind))) for r in draft.resources),
        loads=tuple(replace(load, endpoint=at("load")) for load in draft.loads),
        meters=tuple(replace(meter, endpoint=at("meter")) for meter in draft.meters),
        actuators=tuple(replace(actuator, endpoint=at("actuator")) for actuator in draft.actuators),
    )
