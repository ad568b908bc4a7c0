"""Rules of `park.toml` and of ids and endpoints over all tables."""

from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from vpp.devices import Bess, Caes, Chp
from vpp.errors import Fault
from vpp.park.folder import Folder
from vpp.park.model import Contingency
from vpp.park.settings import FILE, Settings
from vpp.park.stamps import open_zone
from vpp.park.tables import quoted, twice
from vpp.park.tariff import tariff_faults
from vpp.types import Actuator

CYCLES_OF_TRUST = 5
"""Least number of control cycles in a time-to-live; a shorter one would end on a single lost cycle."""


def contract_faults(folder: Folder) -> Iterator[Fault]:
    """Yield what is wrong in the settings, taken with the tables that they speak of."""
    settings = folder.settings
    if settings is None:
        return
    if open_zone(settings.site.zone) is None:
        yield _fault("site.zone", quoted(settings.site.zone), "an IANA zone such as Asia/Shanghai")
    yield from _horizon_faults(settings)
    yield from tariff_faults(settings.tariff)
    yield from _tie_faults(folder, settings)
    yield from _initial_faults(folder, settings)
    yield from _contingency_faults(folder, settings.contracts.contingencies)


def identity_faults(folder: Folder) -> Iterator[Fault]:
    """Yield ids and endpoints that stand twice, buses and elements that do not exist."""
    yield from twice(
        [
            *((row, "id", row.value.id) for row in folder.endpoint_rows()),
            *((row, "name", row.value.name) for row in folder.lines),
            *((row, "name", row.value.name) for row in folder.trafos),
            *((row, "name", row.value.name) for row in folder.shunts),
            *((row, "name", row.value.name) for row in folder.switches),
            *((row, "name", row.value.name) for row in folder.ext_grids),
        ]
    )
    used = ((row, row.value.endpoint) for row in folder.endpoint_rows())
    # port 0 stands for a port that the simulated plant chooses
    yield from twice((row, "port", f"{e.host}:{e.port} unit {e.unit}") for row, e in used if e.port)
    buses = {row.value.name for row in folder.buses}
    if "grid/buses.csv" not in folder.broken:
        for row in folder.endpoint_rows():
            bus = None if isinstance(row.value, Actuator) else row.value.bus
            if bus is not None and bus not in buses:
                yield row.fault("bus", f"unknown bus {quoted(bus)}", "a name of grid/buses.csv")
    yield from _actuator_faults(folder)
    yield from _tie_meter_faults(folder)
    for user in folder.endpoint_rows():
        if not user.value.endpoint.host:
            yield user.fault("host", "empty", "a host name or address")


def _actuator_faults(folder: Folder) -> Iterator[Fault]:
    moved = {
        "tap": ("grid/trafos.csv", {row.value.name for row in folder.trafos}),
        "shunt": ("grid/shunts.csv", {r.value.name for r in folder.shunts if r.value.kind != "statcom"}),
        "statcom": ("grid/shunts.csv", {r.value.name for r in folder.shunts if r.value.kind == "statcom"}),
    }
    for row in folder.actuators:
        file, names = moved[row.value.kind]
        if row.value.element not in names and file not in folder.broken:
            expected = f"a {row.value.kind} of {file}"
            yield row.fault("element", f"unknown element {quoted(row.value.element)}", expected)


def _tie_meter_faults(folder: Folder) -> Iterator[Fault]:
    ties = [row for row in folder.meters if row.value.kind == "tie"]
    if len(ties) != 1 and "meters.csv" not in folder.broken:
        wrong = f"{len(ties)} meters of kind tie"
        yield Fault(file="meters.csv", field="kind", wrong=wrong, expected="exactly one")
    slack = {row.value.bus for row in folder.ext_grids}
    for row in ties:
        if row.value.bus not in slack and "grid/ext_grid.csv" not in folder.broken:
            yield row.fault("bus", quoted(row.value.bus), "the bus of the external grid")


def _horizon_faults(settings: Settings) -> Iterator[Fault]:
    h = settings.horizon
    least_s = CYCLES_OF_TRUST * h.cycle_s
    for name in ("setpoint_ttl_s", "plan_ttl_s", "hold_ttl_s"):
        value = getattr(h, name)
        if value < least_s:
            yield _fault(f"horizon.{name}", f"{value:g}", f"{least_s:g} or more, five cycles")
    if h.planner_deadline_s >= 60 * h.replan_min:
        yield _fault("horizon.planner_deadline_s", f"{h.planner_deadline_s:g}", "less than replan_min")
    if h.plan_ttl_s <= 60 * h.replan_min:
        expected = f"more than replan_min, {60 * h.replan_min} s"
        yield _fault("horizon.plan_ttl_s", f"{h.plan_ttl_s:g}", expected)


def _tie_faults(folder: Folder, settings: Settings) -> Iterator[Fault]:
    tie = settings.contracts.tie
    if not folder.ext_grids or "grid/ext_grid.csv" in folder.broken:
        return
    for name, value, most in (
        ("import_max_mw", tie.import_max_mw, sum(r.value.p_import_max_mw for r in folder.ext_grids)),
        ("export_max_mw", tie.export_max_mw, sum(r.value.p_export_max_mw for r in folder.ext_grids)),
    ):
        if value > most:
            yield _fault(f"tie.{name}", f"{value:g}", f"at most {most:g}, the limit in grid/ext_grid.csv")
    if settings.contracts.curtailment.export_forbidden and tie.export_max_mw > 0:
        yield _fault("tie.export_max_mw", f"{tie.export_max_mw:g}", "0: curtailment.export_forbidden is true")


def _initial_faults(folder: Folder, settings: Settings) -> Iterator[Fault]:
    initial = settings.contracts.initial
    for device in folder.devices.values():
        match device:
            case Bess(params=p):
                name, soc = "battery_soc", initial.battery_soc
            case Caes(params=p):
                name, soc = "caes_soc", initial.caes_soc
            case Chp(params=chp, resource=plate):
                # 0 is nothing stated: each begins at its least power, or as it was delivered
                if initial.chp_mw and not chp.p_min_mw <= initial.chp_mw <= plate.p_max_mw:
                    band = f"{chp.p_min_mw:g} to {plate.p_max_mw:g}, the band of {plate.id}"
                    yield _fault("initial.chp_mw", f"{initial.chp_mw:g}", band)
                continue
            case _:
                continue
        if not p.soc_min <= soc <= p.soc_max:
            window = f"{p.soc_min:g} to {p.soc_max:g}, the window of {device.resource.id}"
            yield _fault(f"initial.{name}", f"{soc:g}", window)


def _contingency_faults(folder: Folder, contingencies: Sequence[Contingency]) -> Iterator[Fault]:
    """Yield patterns that match nothing and branches that stand in no class or in two."""
    if folder.broken.intersection(("grid/lines.csv", "grid/trafos.csv", "grid/ext_grid.csv", "devices.csv")):
        return
    branches = [*(row.value.name for row in folder.lines), *(row.value.name for row in folder.trafos)]
    known = [
        *branches,
        *(row.value.name for row in folder.ext_grids),
        *(row.value.id for row in folder.resources),
    ]
    all_names = set(known)
    classes: Counter[str] = Counter()
    for i, contingency in enumerate(contingencies):
        matched = set()
        for key, patterns in (("outages", contingency.outages), ("together", contingency.together)):
            for pattern in patterns:
                # a plain name is looked up: a class may list thousands of branches
                plain = {pattern} & all_names
                names = plain or {name for name in known if fnmatchcase(name, pattern)}
                if not names:
                    field = f"contingency[{i + 1}].{key}"
                    yield _fault(
                        field, f"{quoted(pattern)} matches nothing", "a branch, device or external grid"
                    )
                # an event of several branches stands beside the class of each of them alone
                matched |= names if key == "outages" else set()
        if not contingency.outages and not contingency.together:
            yield _fault(f"contingency[{i + 1}]", "names nothing", "outages or together")
        classes.update(matched)
    for name in branches:
        if classes[name] != 1:
            wrong = f"branch {quoted(name)} stands in {classes[name]} classes"
            yield _fault("contingency", wrong, "exactly one")


def _fault(field: str, wrong: str, expected: str) -> Fault:
    return Fault(file=FILE, field=field, wrong=wrong, expected=expected)
