import math
from collections.abc import Callable
from dataclasses import replace
from io import StringIO

from rich.console import Console

from vpp.park import Park, load_park
from vpp.service import table
from vpp.types import Following, Snapshot

Make = Callable[..., Snapshot]


def test_every_device_and_load_has_a_row_in_the_parks_order(small10: Park, make_snapshot: Make) -> None:
    rows = table.device_rows(small10, make_snapshot(small10))
    assert [row.id for row in rows] == [*small10.resources, *small10.loads]
    assert all(row.metered_mw == 12.5 for row in rows)


def test_plain_lines_fit_80_columns(small10: Park, make_snapshot: Make) -> None:
    lines = table.plain_lines(small10, make_snapshot(small10, silent=("CAES1",), alarms=9))
    assert max(map(len, lines)) <= 80, [line for line in lines if len(line) > 80]
    assert any(line.startswith("CAES1") and "never read" in line for line in lines)
    assert lines[-1] == "... and 4 more"


def test_the_head_names_limit_plan_and_next_replan(small10: Park, make_snapshot: Make) -> None:
    head = "\n".join(table.head_lines(small10, make_snapshot(small10)))
    for word in ("15:23:00 +0800", "rate 60", "60.0 of at most 150.0 MW", "50.01 Hz", "r3", "in 07:30"):
        assert word in head


def test_an_export_is_a_word_and_not_a_minus(small10: Park, make_snapshot: Make) -> None:
    snapshot = make_snapshot(small10)
    tie = snapshot.readings["TIE"]
    readings = {**snapshot.readings, "TIE": replace(tie, values={**tie.values, "p_mw": -3.0})}
    head = "\n".join(table.head_lines(small10, replace(snapshot, readings=readings)))
    assert "export 3.0 MW" in head


def test_without_a_plan_the_table_says_hold(small10: Park, make_snapshot: Make) -> None:
    snapshot = replace(make_snapshot(small10), following=Following.HOLD, plan_id=None, next_replan_at=None)
    assert "HOLD" in table.head_lines(small10, snapshot)[3]


def test_nothing_read_yet_is_shown_and_not_raised(small10: Park, make_snapshot: Make) -> None:
    empty = replace(make_snapshot(small10), readings={}, setpoints={}, tie_mean_mw=math.nan)
    assert any("--" in line for line in table.plain_lines(small10, empty))
    assert "tie --" in table.one_line(small10, empty)


def test_the_live_table_is_redrawn_without_colour_where_asked(small10: Park, make_snapshot: Make) -> None:
    file = StringIO()
    console = Console(width=80, no_color=True, force_terminal=False, file=file)
    console.print(table.live_table(small10, make_snapshot(small10, alarms=1), ["planner runs again"]))
    text = file.getvalue()
    for word in ("BESS1", "SoC 50 %", "[!] alarm 0", "planner runs again", "2 blocks open"):
        assert word in text


def test_a_large_park_is_one_short_line_by_kind_and_its_alarms_stand_above_its_rows(
    make_snapshot: Make,
) -> None:
    park = load_park("chifeng96")
    snapshot = make_snapshot(park, alarms=1)
    assert len(table.one_line(park, snapshot)) <= 160
    file = StringIO()
    Console(width=80, no_color=True, file=file).print(table.live_table(park, snapshot, []))
    text = file.getvalue()
    assert text.index("[!] alarm 0") < text.index(next(iter(park.resources)))
