"""The Chifeng park: what it holds, and the faults that only such a park can have."""

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from vpp.errors import InvalidInput
from vpp.park import endpoints, load_park
from vpp.park.shipped import SHIPPED

PARK = load_park("chifeng96")


def test_it_holds_the_devices_of_the_reference_case() -> None:
    kinds = Counter(row.kind for row in PARK.resources.values())
    assert kinds == {
        "wind": 6,
        "pv": 14,
        "caes": 1,
        "bess": 3,
        "electrolyzer": 5,
        "h2_store": 1,
        "ammonia": 1,
        "chp": 2,
    }
    assert len(PARK.grid.buses) == 96
    assert len(PARK.loads) == 28
    assert sum(load.p_peak_mw for load in PARK.loads.values()) == 872


def test_its_ratings_are_those_of_the_reference_case() -> None:
    rated = Counter()
    for row in PARK.resources.values():
        rated[row.kind] += max(row.p_max_mw, -row.p_min_mw)
    assert rated["wind"] == 860
    assert rated["pv"] == 650
    assert rated["bess"] == 170
    assert rated["electrolyzer"] == 220
    assert sum(row.e_mwh or 0 for row in PARK.resources.values()) == 400 + 340


def test_386_mw_can_be_interrupted_most_of_them_within_seconds() -> None:
    share = {i: load.p_peak_mw * load.interruptible_share for i, load in PARK.loads.items()}
    fast = [i for i, load in PARK.loads.items() if load.notice_class == "seconds"]
    assert sum(share.values()) == pytest.approx(386, abs=1)
    assert sum(share[i] for i in fast) == pytest.approx(333, abs=1)


def test_every_bank_statcom_and_main_transformer_can_be_moved_and_no_step_up_transformer() -> None:
    moved = Counter(row.kind for row in PARK.actuators.values())
    assert moved == {"shunt": 12, "statcom": 8, "tap": 55}
    elements = {row.element for row in PARK.actuators.values()}
    assert not {name for name in elements if re.match("T_(WF|PV|BBASE|CAES|BGPS)", name)}
    assert len(endpoints(PARK)) > 60
    assert len({e.port for e in endpoints(PARK).values()}) == len(endpoints(PARK))


def faults_after(tmp_path: Path, file: str, old: str, new: str) -> list[str]:
    folder = Path(shutil.copytree(SHIPPED / "chifeng96", tmp_path / "park"))
    text = (folder / file).read_text("utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(InvalidInput) as caught:
        load_park(folder)
    return [str(fault) for fault in caught.value.faults]


SECTION = re.search(
    r"\[ammonia\].*?\n\n", (SHIPPED / "chifeng96" / "park.toml").read_text("utf-8"), flags=re.DOTALL
)[0]
FAULTS = {
    "bank without steps": (
        "grid/shunts.csv",
        "capacitor,-40,2",
        "capacitor,-40,0",
        r"shunts.csv:3 steps: 0 for a capacitor; expected 1 or more",
    ),
    "name that starts with a dot": (
        "grid/buses.csv",
        "CHP_10.5",
        ".CHP",
        r'buses.csv:83 name: "\.CHP"; expected 1 to 64 letters',
    ),
    "CHP starts outside its band": (
        "park.toml",
        "chp_mw = 30",
        "chp_mw = 10",
        r"initial.chp_mw: 10; expected 20 to 50, the band of CHP1",
    ),
    "no ammonia contract": ("park.toml", SECTION, "", r"park.toml ammonia: missing"),
    "initial load no share": (
        "park.toml",
        "initial_load_share = 0.60",
        "initial_load_share = 60",
        r"ammonia.initial_load_share.*1 or less",
    ),
    "loop without a store": ("devices.csv", "H2S,h2_store", "H2S,pv", r"kind: ammonia without an h2_store"),
    "hot idle above least load": (
        "params/nh3_loop_25.toml",
        "hot_idle = 0.08",
        "hot_idle = 0.5",
        r"hot_idle: not below load_min",
    ),
    "least power above the rating": (
        "params/chp_50.toml",
        "p_min_mw = 20",
        "p_min_mw = 60",
        r"chp_50.toml p_min_mw: 60; expected at most p_max_mw 50",
    ),
    "CHP that draws": ("devices.csv", "CHP_10.5,50,0", "CHP_10.5,50,-5", r"p_min_mw: -5; expected 0"),
    "ammonia that injects": ("devices.csv", "NH3_35,0,-25", "NH3_35,5,-25", r"p_max_mw: 5; expected 0"),
    "branch in two classes": (
        "park.toml",
        '"T_CAES", "T_BGPS"',
        '"T_CAES", "T_BGPS", "L500_TIE_1"',
        r'branch "L500_TIE_1" stands in 2 classes',
    ),
    "branch only in an event": (
        "park.toml",
        'outages = ["L500_TIE_1", ',
        "outages = [",
        r'branch "L500_TIE_1" stands in 0 classes',
    ),
    "several electrolysers outgrow the compressor": (
        "devices.csv",
        "H2S,h2_store,H2_35_1,0,-5",
        "H2S,h2_store,H2_35_1,0,-4",
        r"p_min_mw: -4, but the compressor draws 4\.\d+ MW",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_where_it_stands(name: str, tmp_path: Path) -> None:
    file, old, new, words = FAULTS[name]
    told = faults_after(tmp_path, file, old, new)
    assert any(re.search(words, text) for text in told), told
