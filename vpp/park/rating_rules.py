"""Rules between a device's row and its parameters, and inside a load's row."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import isclose

from vpp.devices import Ammonia, Bess, Caes, Chp, Device, Electrolyzer, H2Store
from vpp.errors import Fault
from vpp.park.folder import Folder
from vpp.park.tables import Row
from vpp.types import Load, NoticeClass, Resource

LOAD_PROFILES = ("flat24", "two_shift", "batch", "commercial", "municipal", "ev")
"""Shapes of demand that the generator of `forecasts` knows."""


def rating_faults(folder: Folder) -> Iterator[Fault]:
    """Yield what does not fit between rows, parameters and kinds."""
    for row in folder.resources:
        yield from _power_faults(row)
        device = folder.devices.get(row.value.id)
        if device is not None:
            yield from _device_faults(row, device)
    yield from _hydrogen_faults(folder)
    yield from _ammonia_faults(folder)
    for load in folder.loads:
        yield from _load_faults(load)


def _power_faults(row: Row[Resource]) -> Iterator[Fault]:
    plate = row.value
    injects = plate.kind in ("wind", "pv", "bess", "caes", "chp")
    draws = plate.kind in ("bess", "caes", "electrolyzer", "h2_store", "ammonia")
    if injects and plate.p_max_mw == 0:
        yield row.fault("p_max_mw", "0", f"the greatest injection of a {plate.kind}")
    if not injects and plate.p_max_mw != 0:
        yield row.fault("p_max_mw", f"{plate.p_max_mw:g}", f"0: a {plate.kind} never injects")
    if draws and plate.p_min_mw == 0:
        yield row.fault("p_min_mw", "0", f"the greatest withdrawal of a {plate.kind}, below 0")
    if not draws and plate.p_min_mw != 0:
        yield row.fault("p_min_mw", f"{plate.p_min_mw:g}", f"0: a {plate.kind} never draws")
    greatest = max(plate.p_max_mw, -plate.p_min_mw)
    if plate.s_mva is not None and plate.s_mva < greatest:
        yield row.fault("s_mva", f"{plate.s_mva:g}", f"{greatest:g} or more, the greatest power")
    if (plate.e_mwh is None) == (plate.kind in ("bess", "caes")):
        wrong = "empty" if plate.e_mwh is None else f"{plate.e_mwh:g}"
        yield row.fault("e_mwh", wrong, "the energy of a bess or caes, empty for all others")


def _device_faults(row: Row[Resource], device: Device) -> Iterator[Fault]:
    file = f"params/{row.value.params_ref}.toml"
    match device:
        case Bess(params=p):
            if not p.soc_min < p.soc_max or not p.soc_min <= p.soc_reserve_for_island <= p.soc_max:
                yield _soc_fault(file)
        case Caes():
            yield from _caes_faults(row, device, file)
        case Electrolyzer(params=p):
            yield from _equal(
                row, "p_min_mw", -row.value.p_min_mw, p.stacks * p.stack_mw, "stacks x stack_mw"
            )
            if p.stack_load_min >= p.stack_load_max:
                yield Fault(
                    file=file, field="stack_load_min", wrong="not below stack_load_max", expected="less"
                )
            yield from _curve(file, "kwh_per_kg_vs_load", p.kwh_per_kg_vs_load, p.stack_load_min, 1.0)
        case Ammonia(params=p):
            if p.hot_idle >= p.load_min:
                yield Fault(file=file, field="hot_idle", wrong="not below load_min", expected="less")
            if device.load_max_mw < device.load_min_mw:
                wrong = f"{p.nh3_max_t_per_h:g} t/h need less than the least load"
                yield Fault(file=file, field="nh3_max_t_per_h", wrong=wrong, expected="more")
        case Chp(params=p):
            if p.p_min_mw > row.value.p_max_mw:
                expected = f"at most p_max_mw {row.value.p_max_mw:g} of {row.value.id}"
                yield Fault(file=file, field="p_min_mw", wrong=f"{p.p_min_mw:g}", expected=expected)
        case _:
            pass


def _caes_faults(row: Row[Resource], device: Caes, file: str) -> Iterator[Fault]:
    p = device.params
    if not p.soc_min < p.soc_max:
        yield _soc_fault(file)
    yield from _equal(row, "p_max_mw", row.value.p_max_mw, p.turbine.p_rated_mw, "turbine.p_rated_mw")
    trains_mw = p.compressor.trains * p.compressor.p_rated_mw
    yield from _equal(row, "p_min_mw", -row.value.p_min_mw, trains_mw, "compressor.trains x p_rated_mw")
    for name, machine in (("turbine", p.turbine), ("compressor", p.compressor)):
        if machine.p_min_mw > machine.p_rated_mw:
            yield Fault(
                file=file,
                field=f"{name}.p_min_mw",
                wrong=f"{machine.p_min_mw:g}",
                expected=f"at most p_rated_mw {machine.p_rated_mw:g}",
            )
        least = machine.p_min_mw / machine.p_rated_mw
        yield from _curve(file, f"{name}.rel_eff", machine.rel_eff, least, 1.0)
    yield from _curve(file, "p_ch_max_vs_soc", p.p_ch_max_vs_soc, p.soc_min, p.soc_max)
    yield from _curve(file, "p_dis_max_vs_soc", p.p_dis_max_vs_soc, p.soc_min, p.soc_max)


def _soc_fault(file: str) -> Fault:
    return Fault(file=file, field="soc_min", wrong="no window", expected="soc_min < soc_max, reserve between")


def _equal(row: Row[Resource], field: str, found_mw: float, meant_mw: float, name: str) -> Iterator[Fault]:
    if not isclose(found_mw, meant_mw, rel_tol=1e-6):
        wrong = f"{found_mw:g} MW, but {name} of params/{row.value.params_ref}.toml is {meant_mw:g} MW"
        yield row.fault(field, wrong, "the same rating")


def _curve(
    file: str, field: str, curve: Sequence[tuple[float, float]], low: float, high: float
) -> Iterator[Fault]:
    """Yield a fault where x does not rise, y is not positive, or [low, high] is not covered."""
    x = [point[0] for point in curve]
    if len(x) < 2 or any(a >= b for a, b in pairwise(x)):
        yield Fault(file=file, field=field, wrong="not rising", expected="two or more points with rising x")
    elif any(y <= 0 for _, y in curve):
        yield Fault(file=file, field=field, wrong="a value of 0 or less", expected="positive values")
    elif x[0] > low + 1e-9 or x[-1] < high - 1e-9:
        wrong = f"covers {x[0]:g} to {x[-1]:g}"
        yield Fault(file=file, field=field, wrong=wrong, expected=f"{low:g} to {high:g} covered")


def _hydrogen_faults(folder: Folder) -> Iterator[Fault]:
    stores = [row for row in folder.resources if row.value.kind == "h2_store"]
    makers = [device for device in folder.devices.values() if isinstance(device, Electrolyzer)]
    contract = folder.settings.contracts.hydrogen if folder.settings is not None else None
    if folder.settings is not None and contract is None and (stores or makers):
        yield Fault(
            file="park.toml", field="hydrogen", wrong="missing", expected="a table: the park makes hydrogen"
        )
    for row in stores[1:]:
        yield row.fault("kind", "a second h2_store", "one store that all electrolysers feed")
    if "devices.csv" in folder.broken:
        return
    for row in stores[:1]:
        store = folder.devices.get(row.value.id)
        if not isinstance(store, H2Store):
            continue
        kg_per_h = sum(
            -1000 * m.resource.p_min_mw / m.params.kwh_per_kg_vs_load[-1][1]
            for m in makers
            if m.params.kwh_per_kg_vs_load
        )
        needed_mw = kg_per_h * store.params.compressor_kwh_per_kg / 1000
        if -row.value.p_min_mw < needed_mw:
            wrong = f"{row.value.p_min_mw:g}, but the compressor draws {needed_mw:.3g} MW at full production"
            yield row.fault("p_min_mw", wrong, f"-{needed_mw:.3g} or less")
        if contract is not None and contract.initial_kg > store.params.usable_kg:
            expected = f"at most usable_kg {store.params.usable_kg:g}"
            yield Fault(
                file="park.toml",
                field="hydrogen.initial_kg",
                wrong=f"{contract.initial_kg:g}",
                expected=expected,
            )


def _ammonia_faults(folder: Folder) -> Iterator[Fault]:
    loops = [row for row in folder.resources if row.value.kind == "ammonia"]
    if folder.settings is not None and loops and folder.settings.contracts.ammonia is None:
        yield Fault(file="park.toml", field="ammonia", wrong="missing", expected="a table: a loop needs it")
    if loops and not any(row.value.kind == "h2_store" for row in folder.resources):
        yield loops[0].fault("kind", "ammonia without an h2_store", "a store that feeds the loop")


def _load_faults(row: Row[Load]) -> Iterator[Fault]:
    load = row.value
    if load.profile not in LOAD_PROFILES:
        yield row.fault("profile", f'"{load.profile[:40]}"', "one of " + ", ".join(LOAD_PROFILES))
    if (load.interruptible_share > 0) != (load.blocks > 0):
        wrong = f"{load.blocks} blocks for an interruptible share of {load.interruptible_share:g}"
        yield row.fault("blocks", wrong, "blocks where there is a share, 0 where there is none")
    if load.interruptible_share > 0 and load.notice_class is NoticeClass.NEVER:
        yield row.fault("notice_class", "never, with an interruptible share", "seconds or minutes")
    if load.interruptible_share > 0 and load.priority == 5:
        yield row.fault("priority", "5 (never), with an interruptible share", "1 to 4")
