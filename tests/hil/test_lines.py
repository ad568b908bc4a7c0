"""Lines that a scenario spoils: read from a file, combined, laid before the servers, changed in time."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hil.line import CUT, GOOD, Line, Way
from hil.line_faults import (
    LINE_FAULTS,
    Cut,
    Delay,
    Doubles,
    HalfOpen,
    LineFault,
    Loss,
    Reset,
    Slices,
    line_at,
)
from hil.lines import Lines, spoilt
from hil.scenario import EVENTS, QUIET, read_scenario
from vpp.clock import UTC, SimulatedClock
from vpp.errors import InvalidInput
from vpp.park import Park
from vpp.types import Endpoint

START = datetime(2026, 3, 10, 4, tzinfo=UTC)
SPELL = {"at_min": 1, "for_min": 2, "endpoints": ("BESS1",)}
LATE = Way(delay_s=0.4, jitter_s=0.1)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Delay(**SPELL, delay_s=0.4, jitter_s=0.1), Line.both(LATE)),
        (Delay(**SPELL, delay_s=0.4, jitter_s=0.1, way="asks"), Line(asks=LATE)),
        (Loss(**SPELL, share=0.1), Line.both(Way(loss=0.1))),
        (Slices(**SPELL, bytes=3, gap_s=0.01), Line.both(Way(slice_bytes=3, slice_gap_s=0.01))),
        (Doubles(**SPELL, share=0.5), Line(answers=Way(doubled=0.5))),
        (HalfOpen(**SPELL), CUT),
        (HalfOpen(**SPELL, way="answers"), Line(answers=Way(dead=True))),
        (Cut(**SPELL), Line(refuses=True)),
    ],
)
def test_a_line_is_bad_in_its_spell_and_good_outside(event: LineFault, line: Line) -> None:
    assert [line_at([event], minute) for minute in (0.9, 1, 2.9, 3)] == [GOOD, line, line, GOOD]


def test_what_hits_a_line_at_once_adds_up() -> None:
    late, lost = Delay(**SPELL, delay_s=0.4, jitter_s=0.1), Loss(**SPELL, share=0.2, way="asks")
    both = Line(asks=Way(delay_s=0.4, jitter_s=0.1, loss=0.2), answers=LATE)
    assert line_at([late, lost], 1) == both
    again = Delay(**{**SPELL, "at_min": 2}, delay_s=2.0)
    assert line_at([late, lost, again], 2).answers == Way(delay_s=2.0), "the later one of a kind"


def test_every_kind_may_stand_in_a_scenario_and_names_whom_it_hits(park: Park) -> None:
    assert set(LINE_FAULTS) <= set(EVENTS)
    assert {word: kind.__dataclass_fields__["kind"].default for word, kind in LINE_FAULTS.items()} == {
        word: word for word in LINE_FAULTS
    }
    shipped = Path(park.folder) / "scenarios" / "line.toml"
    hit = spoilt(read_scenario(shipped, park))
    assert {type(event) for events in hit.values() for event in events} == set(LINE_FAULTS.values())


BAD = """
name = "bad"
duration_min = 5
[[event]]
kind = "half_open"
at_min = 1
for_min = 1
endpoints = ["BESS9"]
[[event]]
kind = "cut"
at_min = 1
for_min = 1
endpoints = []
[[event]]
kind = "loss"
at_min = 1
for_min = 1
endpoints = ["WF"]
share = 1.5
way = "up"
[[event]]
kind = "reset"
at_min = 1
for_min = 1
endpoints = ["WF"]
"""


def test_a_faulty_line_is_refused_in_words(park: Park, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(BAD)
    with pytest.raises(InvalidInput) as refused:
        read_scenario(path, park)
    told = str(refused.value)
    for fragment in (
        "event 1 endpoints: unknown 'BESS9'",
        "event 2 endpoints: []",
        "event 3 share: 1.5",
        "event 3 way: 'up'",
        "event 4 for_min: unknown key",
    ):
        assert fragment in told, told


def test_no_frame_is_doubled_where_tls_hides_it(park: Park, tmp_path: Path) -> None:
    battery = park.resources["BESS1"]
    hidden = replace(battery, endpoint=replace(battery.endpoint, security="tls"))
    path = tmp_path / "doubles.toml"
    path.write_text(
        'name = "d"\nduration_min = 1\n[[event]]\nkind = "doubles"\nshare = 1\n'
        'at_min = 0\nfor_min = 1\nendpoints = ["BESS1"]\n'
    )
    read_scenario(path, park)
    with pytest.raises(InvalidInput, match="unknown 'BESS1'"):
        read_scenario(path, replace(park, resources={**park.resources, "BESS1": hidden}))


async def test_lines_lie_before_their_servers_alone_and_change_in_time() -> None:
    clock, log = SimulatedClock(START), list[tuple[float, str, str]]()

    def note(at: datetime, record: dict[str, object]) -> None:
        log.append(((at - START).total_seconds() / 60, str(record["device"]), str(record["line"])))

    def minute(minute: float) -> datetime:
        return START + timedelta(minutes=minute)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    events = (Reset(at_min=0.5, endpoints=("BESS1", "WF")), Cut(**SPELL))
    scenario = replace(QUIET, events=events)
    lines = Lines(scenario, START, clock, 1, note)
    known = Endpoint(host="127.0.0.1", port=0, unit=1, register_map="any")
    assert lines.behind("PV", known) is known
    assert await lines.lay("PV", known, port) == port, "nobody spoils it"
    near = await lines.lay("BESS1", lines.behind("BESS1", known), port)
    assert near != port
    try:
        for moment in (-1, 0):
            await lines.change(minute(moment))
        reader, writer = await asyncio.open_connection("127.0.0.1", near)
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
        await lines.change(minute(0.6))
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        reader, writer = await asyncio.open_connection("127.0.0.1", near)
        await lines.change(minute(1))
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", near)
        await lines.change(minute(2))
        await lines.change(minute(3))
        reader, writer = await asyncio.open_connection("127.0.0.1", near)
        writer.write(b"pong")
        assert await reader.readexactly(4) == b"pong"
        writer.close()
        assert log == [(0.6, "BESS1", "reset"), (1, "BESS1", "bad"), (3, "BESS1", "good")]
    finally:
        await lines.close()
        server.close()
