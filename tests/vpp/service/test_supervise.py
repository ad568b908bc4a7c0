"""The supervisor over a stand-in child and a stand-in control."""

import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from vpp.errors import DeviceFailure
from vpp.link import LinkServer, Message, Note
from vpp.service import ready, takeover
from vpp.service import supervise as module
from vpp.service.children import Child
from vpp.service.launch import Wishes, request_for
from vpp.service.ready import free_base, wait_for
from vpp.service.request import RunRequest
from vpp.service.supervise import Live, supervise
from vpp.service.takeover import set_aside
from vpp.types import Reply

SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
DEADLINE_S = 20.0


@pytest.fixture
def request_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunRequest:
    return with_child(tmp_path, monkeypatch, SLEEPER)


def with_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> RunRequest:
    """Return a run of a real plant whose only process runs `code`."""
    wishes = Wishes(park="small10", hil=False, state=tmp_path, web_port=free_base("127.0.0.1", 1, 28000))
    request = request_for(wishes)

    def only(asked: RunRequest) -> list[Child]:
        return [Child(name="planner", arguments=("-c", code), log=asked.state.logs / "planner.log")]

    monkeypatch.setattr(module, "children_of", only)
    return request


class Control:
    """Keeps the notes that the supervisor sends."""

    def __init__(self) -> None:
        self.notes: list[Note] = []

    async def take(self, message: Message) -> Message:
        assert isinstance(message, Note)
        self.notes.append(message)
        return Reply(id=message.id, accepted=True, reason="")


async def test_a_dead_process_is_started_again_and_control_is_told(
    request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ALARM_S", 0.1)
    control, pids = Control(), []

    async def kill_once(live: Live) -> None:
        server = LinkServer(live.request.state.socket, control.take)
        await server.start()
        pids.append(live.processes["planner"].pid)
        os.kill(pids[0], signal.SIGKILL)

        async def told() -> bool:
            return [note.raised for note in control.notes] == [True, False]

        assert await wait_for(told, live.clock, DEADLINE_S)
        pids.append(live.processes["planner"].pid)
        await server.stop()
        os.kill(os.getpid(), signal.SIGTERM)

    live = await supervise(request_, (kill_once,))
    assert live.interrupted
    assert live.restarts == {"planner": 1}
    assert pids[0] != pids[1]
    assert all(process.returncode is not None for process in live.processes.values())
    assert control.notes[0].id == "process:planner"
    assert "SIGKILL" in control.notes[0].text


ANSWERING = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


async def test_a_stopped_service_is_started_again_and_control_is_told(
    request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only(asked: RunRequest) -> list[Child]:
        code = ("-c", ANSWERING, str(asked.settings.web_port))
        return [Child(name="service", arguments=code, log=asked.state.logs / "service.log")]

    monkeypatch.setattr(module, "children_of", only)
    monkeypatch.setattr(module, "ALARM_S", 0.1)
    monkeypatch.setattr(module, "HANG_S", 0.5)
    monkeypatch.setattr(module, "BEAT_S", 0.1)
    monkeypatch.setattr(ready, "TRY_S", 0.3)
    control, pids = Control(), []

    async def stop_once(live: Live) -> None:
        server = LinkServer(live.request.state.socket, control.take)
        await server.start()
        pids.append(live.processes["service"].pid)
        os.kill(pids[0], signal.SIGSTOP)

        async def told() -> bool:
            return [note.raised for note in control.notes] == [True, False]

        assert await wait_for(told, live.clock, DEADLINE_S)
        pids.append(live.processes["service"].pid)
        await server.stop()
        os.kill(os.getpid(), signal.SIGTERM)

    live = await supervise(request_, (stop_once,))
    assert live.restarts == {"service": 1}
    assert pids[0] != pids[1]
    assert all(process.returncode is not None for process in live.processes.values())
    assert "gave no answer" in control.notes[0].text


async def test_a_process_that_ends_while_starting_ends_the_run_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import sys; print('port 1 is in use', file=sys.stderr); sys.exit(6)"
    request = with_child(tmp_path, monkeypatch, code)

    async def never(_: RunRequest) -> bool:
        return False

    monkeypatch.setattr(module, "_question", lambda _live, _child: lambda: never(request))
    with pytest.raises(DeviceFailure, match="port 1 is in use"):
        await supervise(request, ())


async def test_a_run_ends_by_itself_at_its_plant_time(request_: RunRequest) -> None:
    start = request_.settings.schedule.segments[0][0]
    live = await supervise(replace(request_, ends_at=start + timedelta(seconds=0.5)), ())
    assert not live.interrupted
    assert live.processes["planner"].returncode is not None


async def test_an_error_of_a_watcher_leaves_no_process(request_: RunRequest) -> None:
    seen: list[Live] = []

    async def fail(live: Live) -> None:
        seen.append(live)
        raise DeviceFailure("planted")

    with pytest.raises(DeviceFailure, match="planted"):
        await supervise(request_, (fail,))
    assert seen[0].processes["planner"].returncode is not None


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


async def test_a_socket_that_a_power_cut_left_behind_keeps_no_run_from_starting(
    request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeover, "LEFTOVER_S", 0.5)
    request_.state.prepare()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(request_.state.socket))

    async def interrupt(live: Live) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await live.clock.sleep_true(DEADLINE_S)

    assert (await supervise(request_, (interrupt,))).interrupted


async def test_a_control_that_stopped_but_did_not_end_keeps_its_folder(
    request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeover, "LEFTOVER_S", 0.5)
    request_.state.prepare()
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(request_.state.socket))
        mute.listen()
        with pytest.raises(DeviceFailure, match="still holds"):
            await supervise(request_, ())
    assert request_.state.socket.exists()


def test_a_simulated_plant_starts_anew_and_keeps_the_last_journal_aside(request_: RunRequest) -> None:
    state = request_.state
    state.prepare()
    (state.journal / "00000001.ywj").write_bytes(b"x")
    state.token.write_text("kept", encoding="ascii")
    set_aside(state)
    assert not list(state.journal.iterdir())
    assert (state.root / "earlier" / "journal" / "00000001.ywj").read_bytes() == b"x"
    assert state.token.read_text(encoding="ascii") == "kept"
