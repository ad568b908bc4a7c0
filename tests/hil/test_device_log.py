"""The devices' own log."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from hil.device_log import DeviceLog
from vpp.clock import UTC

AT = datetime(2026, 3, 17, 7, tzinfo=UTC)


def test_every_event_is_a_line_with_both_times(tmp_path: Path) -> None:
    log = DeviceLog(tmp_path / "devices.log", lambda: 12.5)
    log.note(AT, {"event": "write", "endpoint": "CAES1"})
    (line,) = (tmp_path / "devices.log").read_text().splitlines()
    assert json.loads(line) == {"at": AT.isoformat(), "true_s": 12.5, "event": "write", "endpoint": "CAES1"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk_does_not_stop_the_plant_and_is_told_afterwards(tmp_path: Path) -> None:
    place = tmp_path / "devices.log"
    place.symlink_to("/dev/full")
    log = DeviceLog(place, lambda: 1.0)
    for _ in range(3):
        log.note(AT, {"event": "write"})
    assert log.lost == 3
    room = tmp_path / "room.log"
    log._file = room.open("ab", buffering=0)  # the disk has room again
    log.note(AT, {"event": "write"})
    told, written = (json.loads(line) for line in room.read_text().splitlines())
    assert (told["event"], told["lines"]) == ("lost", 3)
    assert (written["event"], log.lost) == ("write", 0)
