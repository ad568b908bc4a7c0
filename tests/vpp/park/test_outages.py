"""The outage calendar: what is read, what is refused, what a branch takes along."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vpp.errors import InvalidInput
from vpp.park import copy_park, load_park
from vpp.park.outages import calendar

MIDNIGHT = datetime(2026, 3, 16, 16, tzinfo=UTC)
HEAD = "element,start,end,derate_mw\n"


@pytest.fixture
def park_with(tmp_path):
    folder = copy_park("small10", tmp_path / "p")

    def load(rows):
        (Path(folder) / "outages.csv").write_text(HEAD + rows)
        return load_park(folder)

    return load


def test_a_park_without_a_calendar_has_no_outages():
    park = load_park("small10")
    assert park.outages == ()
    assert calendar(park, MIDNIGHT, 15, 96) is None


def test_stamps_are_in_the_parks_zone_unless_they_say_otherwise(park_with):
    park = park_with(
        "CAES1,2026-03-17T08:00,2026-03-17T10:00,out\nWF,2026-03-17T00:00Z,2026-03-17T01:00Z,30\n"
    )
    caes, wind = park.outages
    assert (caes.start, caes.lost_mw) == (MIDNIGHT + timedelta(hours=8), None)
    assert (wind.start, wind.lost_mw) == (MIDNIGHT + timedelta(hours=8), 30.0)


def test_every_fault_is_told_with_its_line_and_field(park_with):
    rows = (
        "NOBODY,2026-03-17T08:00,2026-03-17T10:00,out\n"
        "CAES1,yesterday,2026-03-17T10:00,out\n"
        "CAES1,2026-03-17T08:00,2026-03-17T07:00,out\n"
        "WF,2026-03-17T08:00,2026-03-17T10:00,1000\n"
        "WF,2026-03-18T08:00,2026-03-18T10:00,half\n"
        "T_MAIN_1,2026-03-17T08:00,2026-03-17T10:00,20\n"
        "PV,2026-03-17T08:00,2026-03-17T10:00,out\n"
        "PV,2026-03-17T09:00,2026-03-17T11:00,5\n"
    )
    with pytest.raises(InvalidInput) as refused:
        park_with(rows)
    found = {(f.row, f.field) for f in refused.value.faults if f.file == "outages.csv"}
    assert found == {
        (2, "element"), (3, "start"), (4, "end"), (5, "derate_mw"),
        (6, "derate_mw"), (7, "derate_mw"), (9, "element"),
    }  # fmt: skip


def test_a_branch_takes_along_what_it_cuts_off(park_with):
    park = park_with("T_PV,2026-03-17T12:00,2026-03-17T13:00,out\n")
    assert any("cuts off PV" in warning for warning in park.warnings)
    found = calendar(park, MIDNIGHT, 15, 96)
    assert found.branches[47:53] == (frozenset(), *[frozenset({"T_PV"})] * 4, frozenset())
    assert found.dead_buses[48] == {"PV35"}
    assert found.lost_mw["PV"][48] == math.inf
    assert found.lost_mw["PV"][47] == 0.0


def test_one_of_two_parallel_branches_takes_nothing_along(park_with):
    park = park_with("T_MAIN_1,2026-03-17T12:00,2026-03-17T13:00,out\n")
    assert not park.warnings
    assert calendar(park, MIDNIGHT, 15, 96).lost_mw == {}


def test_a_step_that_an_outage_touches_is_affected_whole(park_with):
    park = park_with("CAES1,2026-03-17T08:05,2026-03-17T08:20,out\n")
    lost = calendar(park, MIDNIGHT, 15, 96).lost_mw["CAES1"]
    assert [k for k, mw in enumerate(lost) if mw] == [32, 33]
