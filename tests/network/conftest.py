import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from network.powerflow import Oracle
from vpp.park import load_park
from vpp.park.model import Park

CASES = Path(__file__).parents[1] / "cases"
FILES = {
    "small10": ("operating_points/small10.csv", "operating_points/small10_solved.csv"),
    "chifeng96": ("chifeng96/operating_points.csv", "chifeng96/operating_points_solved.csv"),
}
"""Park -> given injections and taps, solved voltages and loadings."""


@dataclass(frozen=True)
class Point:
    """One solved moment of the reference park, with the park at that moment's taps."""

    park: Park
    p_mw: Mapping[str, float]
    q_mvar: Mapping[str, float]
    vm_pu: Mapping[str, float]
    loading_percent: Mapping[str, float]

    def rows(self, oracle: Oracle):
        p = np.array([[self.p_mw.get(e, 0.0) for e in oracle.elements]])
        q = np.array([[self.q_mvar.get(e, 0.0) for e in oracle.elements]])
        return p, q


def _read(name: str) -> list[dict[str, str]]:
    with (CASES / name).open(newline="") as file:
        return list(csv.DictReader(file))


def load_points(park: Park) -> dict[str, Point]:
    given_file, solved_file = FILES[park.name]
    given = defaultdict(list)
    solved = defaultdict(lambda: defaultdict(dict))
    for row in _read(given_file):
        given[row["point"]].append(row)
    for row in _read(solved_file):
        solved[row["point"]][row["quantity"]][row["element"]] = float(row["value"])
    return {name: _point(park, rows, solved[name]) for name, rows in given.items()}


def _point(park: Park, rows: list[dict[str, str]], solved: Mapping[str, Mapping[str, float]]) -> Point:
    taps = {r["element"][4:]: int(float(r["p_mw"])) for r in rows if r["element"].startswith("tap:")}
    devices = [r for r in rows if not r["element"].startswith("tap:")]
    trafos = tuple(replace(t, tap_pos=taps[t.name]) for t in park.grid.trafos)
    return Point(
        park=replace(park, grid=replace(park.grid, trafos=trafos)),
        p_mw={r["element"]: float(r["p_mw"]) for r in devices},
        q_mvar={r["element"]: float(r["q_mvar"]) for r in devices},
        vm_pu=solved["bus_vm_pu"],
        loading_percent=solved["loading_percent"],
    )


@pytest.fixture(scope="session")
def park() -> Park:
    return load_park("small10")


@pytest.fixture(scope="session")
def oracle(park: Park) -> Oracle:
    return Oracle(park)


@pytest.fixture(scope="session")
def points(park: Park) -> dict[str, Point]:
    """Solved moments of both shipped parks; no name stands in both."""
    return load_points(park) | load_points(load_park("chifeng96"))
