"""A generated park of many devices for rigs and benchmarks: small10 with small units beside its own."""

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

from vpp.park import load_park

KINDS = (
    ("bess", "BESS35", "bess_lfp_gfm", "sunspec_bess"),
    ("pv", "PV35", "pv_tracker_or_fixed35", "pv"),
    ("bess", "BESS35", "bess_lfp_gfm", "sunspec_bess"),
    ("wind", "WIND35", "wind_type_A", "wind"),
    ("bess", "BESS35", "bess_lfp_gfm", "sunspec_bess"),
)
"""Kind, bus, parameters and register map of the units, in turn: three in five are batteries."""
UNIT_MW = 0.02
"""Rating of a unit: hundreds of them change nothing for the grid."""


def write_park(folder: Path, devices: int) -> str:
    """Write a park of so many devices into `folder`, which must not exist; returns its path.

    Its own loads, meters and actuators are ten endpoints more. ValueError for fewer devices than
    small10 has.
    """
    original = Path(load_park("small10").folder)
    shutil.copytree(original, folder, ignore=shutil.ignore_patterns("scenarios"))
    table = folder / "devices.csv"
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    more = devices - (len(rows) - 1)
    if more < 0:
        raise ValueError(f"{devices} devices asked for, the smallest park has {len(rows) - 1}")
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([*rows, *_units(more)])
    return str(folder)


def _units(count: int) -> Iterator[tuple[object, ...]]:
    for k in range(count):
        kind, bus, params, registers = KINDS[k % len(KINDS)]
        two_way = kind == "bess"
        energy = 4 * UNIT_MW if two_way else ""
        low = -UNIT_MW if two_way else 0
        row = (f"U{k + 1}", kind, bus, UNIT_MW, low, 1.1 * UNIT_MW, energy, params, registers)
        yield (*row, "127.0.0.1", 20_000 + k, k % 240 + 1)
