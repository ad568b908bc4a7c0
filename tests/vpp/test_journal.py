"""The journal survives kills, damage and full disks, and says what happened."""

import os
import shutil
import subprocess
import sys
from datetime import datetime, timezone

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpp.clock import SimulatedClock
from vpp.journal import Journal, read, recent, tail, verify
from vpp.journal import segments as segments_module

START = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)


def filled(folder, count=5, **options):
    journal = Journal(folder, SimulatedClock(START), **options)
    for k in range(count):
        journal.append("note", {"k": k})
    journal.close()
    return sorted(folder.glob("*.ywj"))


def values(folder):
    return [record.value["k"] for record in read(folder) if record.kind == "note"]


def test_records_come_back_in_order_with_their_times(tmp_path):
    filled(tmp_path)
    records = list(read(tmp_path))
    assert [record.value for record in records] == [{"k": k} for k in range(5)]
    assert {(record.at, record.rate, record.true_s) for record in records} == {(START, 1.0, 0.0)}
    assert [record.value["k"] for record in tail(tmp_path, 2)] == [3, 4]
    assert verify(tmp_path).ok


def test_a_journal_torn_at_any_byte_opens_and_goes_on(tmp_path):
    (path,) = filled(tmp_path / "whole")
    whole = path.read_bytes()
    for size in range(len(whole)):
        folder = tmp_path / f"torn{size}"
        folder.mkdir()
        (folder / path.name).write_bytes(whole[:size])
        kept = values(folder)
        journal = Journal(folder, SimulatedClock(START))
        journal.append("note", {"k": 99})
        journal.close()
        assert verify(folder).ok or size < 36, size
        assert values(folder) == [*kept, 99]
        assert kept == list(range(len(kept)))


def test_a_cut_is_noted(tmp_path):
    (path,) = filled(tmp_path)
    path.write_bytes(path.read_bytes()[:-3])
    Journal(tmp_path, SimulatedClock(START)).close()
    (note,) = [record for record in read(tmp_path) if record.kind == "journal_repaired"]
    assert note.value["cut_bytes"] > 0


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_flipped_bit_is_found(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("flip")
    (path,) = filled(folder)
    raw = bytearray(path.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(raw)
    verdict = verify(folder)
    assert not verdict.ok
    assert verdict.first.segment == path.name
    list(read(folder))


def test_damage_in_the_middle_is_named_and_kept_and_a_new_segment_begun(tmp_path):
    (path,) = filled(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    named = verify(tmp_path).first
    assert 0 < named.record < 5
    journal = Journal(tmp_path, SimulatedClock(START))
    journal.append("note", {"k": 50})
    journal.close()
    assert path.read_bytes() == bytes(raw), "evidence stays"
    assert values(tmp_path)[-1] == 50
    assert verify(tmp_path).first == named


def test_a_journal_of_another_format_is_told_and_left_as_it_is(tmp_path):
    (path,) = filled(tmp_path)
    raw = b"YWJ9" + path.read_bytes()[4:]
    path.write_bytes(raw)
    assert verify(tmp_path).first.text == "written by another version"
    filled(tmp_path, 3)
    assert path.read_bytes() == raw, "nothing is converted in place: no migration can be half done"
    assert values(tmp_path)[-3:] == [0, 1, 2]


def test_segments_are_bounded_and_chained(tmp_path):
    paths = filled(tmp_path, 200, segment_bytes=2000)
    assert len(paths) > 5
    assert max(path.stat().st_size for path in paths) < 2500
    assert values(tmp_path) == list(range(200))
    assert verify(tmp_path).ok
    assert len(tail(tmp_path, 150)) == 150
    paths[3].unlink()
    assert "does not follow" in verify(tmp_path).first.text


def test_the_chain_goes_on_over_a_restart(tmp_path):
    filled(tmp_path, 3)
    filled(tmp_path, 2)
    assert len(list(tmp_path.glob("*.ywj"))) == 1
    assert verify(tmp_path).records == 5


def test_a_full_disk_stops_nothing_and_nothing_is_lost_when_there_is_room_again(tmp_path, monkeypatch):
    journal = Journal(tmp_path, SimulatedClock(START))
    journal.append("note", {"k": 0})
    real, room = os.write, [False]

    def write(fd, data):
        if room[0]:
            return real(fd, data)
        return real(fd, data[:7])

    monkeypatch.setattr(segments_module.os, "write", write)
    for k in range(1, 10):
        journal.append("note", {"k": k})
    assert "no space" in journal.trouble
    assert journal.sync() is False
    room[0] = True
    journal.append("note", {"k": 10})
    assert journal.trouble is None
    journal.close()
    assert values(tmp_path) == list(range(11))
    assert verify(tmp_path).ok
    assert journal.lost == 0


def test_what_falls_out_of_the_ring_is_counted(tmp_path, monkeypatch):
    journal = Journal(tmp_path, SimulatedClock(START))
    monkeypatch.setattr(segments_module, "RING", 5)

    def refuse(fd, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(segments_module.os, "write", refuse)
        for k in range(8):
            journal.append("note", {"k": k})
    assert journal.lost == 3
    journal.append("note", {"k": 8})
    assert values(tmp_path) == [4, 5, 6, 7, 8]


def test_an_fsync_that_fails_is_never_called_secured(tmp_path, monkeypatch):
    journal = Journal(tmp_path, SimulatedClock(START))

    def fail(fd):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(segments_module.os, "fsync", fail)
        assert journal.sync() is False
        assert "Input/output error" in journal.trouble
    assert journal.sync() is True


def test_an_empty_folder_is_sound(tmp_path):
    assert verify(tmp_path).ok
    assert tail(tmp_path, 3) == ()
    with pytest.raises(StopIteration):
        next(read(tmp_path))


def test_what_a_failed_fsync_may_have_lost_is_written_again(tmp_path, monkeypatch):
    journal = Journal(tmp_path, SimulatedClock(START))
    journal.append("note", {"k": 0})
    assert journal.sync()
    journal.append("note", {"k": 1})
    lost, real = [], os.fsync

    def fail(fd):
        """As the kernel does: the pages are dropped, and the next fsync calls itself a success."""
        lost.append(fd)
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(segments_module.os, "fsync", fail)
        assert not journal.sync()
        journal.append("note", {"k": 2})
        assert "Input/output error" in journal.trouble, "a good write does not make the lost one good"
        assert not journal.sync()
    secured = []
    monkeypatch.setattr(segments_module.os, "fsync", lambda fd: (secured.append(fd), real(fd)))
    assert journal.sync()
    assert journal.trouble is None
    assert journal._fd in secured
    assert len(lost) == 2
    journal.close()
    assert len(list(tmp_path.glob("*.ywj"))) == 2
    assert verify(tmp_path).ok
    assert values(tmp_path) == [0, 1, 2]
    again = [record.value for record in read(tmp_path) if record.kind == "again"]
    assert [msgspec.msgpack.decode(record["payload"])["k"] for record in again] == [1, 2]


def test_records_wait_while_another_process_may_have_gone_on_with_the_folder(tmp_path):
    free = [True]
    journal = Journal(tmp_path, SimulatedClock(START), may_write=lambda: free[0])
    journal.append("note", {"k": 0})
    free[0] = False
    journal.append("note", {"k": 1})
    assert journal.sync() is False
    assert values(tmp_path) == [0]
    free[0] = True
    journal.append("note", {"k": 2})
    journal.close()
    assert values(tmp_path) == [0, 1, 2]


def test_a_segment_that_cannot_be_read_and_a_foreign_file_stop_no_start(tmp_path):
    (path,) = filled(tmp_path, 3)
    (tmp_path / "note.ywj").write_text("a person was here")
    path.chmod(0o600)
    path.unlink()
    path.mkdir()
    journal = Journal(tmp_path, SimulatedClock(START))
    journal.append("note", {"k": 7})
    journal.close()
    path.rmdir()
    assert values(tmp_path) == [7]


def test_the_last_records_of_some_kinds_are_found_without_reading_all(tmp_path):
    paths = filled(tmp_path, 200, segment_bytes=2000)
    found = recent(tmp_path, ("note",))
    assert 0 < len(found) < 100
    assert found[-1].value == {"k": 199}
    assert recent(tmp_path, ("note",), segments=len(paths) + 1)[0].value == {"k": 0}
    assert recent(tmp_path, ("order",)) == ()


FILL = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from vpp.clock import SimulatedClock
from vpp.journal import Journal, read, verify
folder = Path(sys.argv[1])
journal = Journal(folder / "journal", SimulatedClock(datetime(2026, 3, 17, tzinfo=timezone.utc)))
ballast = folder / "ballast"
ballast.write_bytes(bytes(100_000))
count = 0
while journal.trouble is None:
    journal.append("note", {"k": count, "text": "x" * 1000})
    count += 1
assert "no space" in journal.trouble.lower(), journal.trouble
for _ in range(20):
    journal.append("note", {"k": count, "text": "x" * 1000})
    count += 1
assert journal.sync() is False
ballast.unlink()
journal.append("note", {"k": count, "text": ""})
assert journal.trouble is None
assert journal.sync()
journal.close()
assert [record.value["k"] for record in read(folder / "journal")] == list(range(count + 1))
assert verify(folder / "journal").ok
print(count)
"""


def test_a_disk_that_is_really_full_stops_nothing_and_loses_nothing(tmp_path):
    """A tmpfs of 512 KiB in a mount namespace of its own."""
    mounted = f"mount -t tmpfs -o size=512k none {tmp_path} && exec {sys.executable} -c '{FILL}' {tmp_path}"
    plain = ["unshare", "-Urm", "sh", "-c", mounted]
    if shutil.which("unshare") is None or subprocess.run([*plain[:4], "true"], check=False).returncode:
        pytest.skip("needs mount namespaces")
    done = subprocess.run(plain, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100
