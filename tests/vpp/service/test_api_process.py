"""The service as a process of its own, seen from outside."""

import http.client
import select
import signal
import socket
import stat
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from vpp.clock import Schedule, monotonic_s
from vpp.state_dir import RunSettings, StateDir

NOON = datetime(2026, 3, 17, 4, tzinfo=UTC)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(root, port, host="127.0.0.1", **kwargs):
    state = StateDir(root)
    state.prepare()
    schedule = Schedule(origin_true_s=monotonic_s(), segments=((NOON, 1.0),))
    settings = RunSettings(
        park="small10",
        schedule=schedule,
        seed=1,
        port_base=None,
        simulated=True,
        scenario=None,
        web_host=host,
        web_port=port,
    )
    state.write_settings(settings)
    command = [sys.executable, "-m", "vpp.service", "--state", str(root)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **kwargs)


def get(port, path, headers=None):
    peer = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    peer.request("GET", path, headers=headers or {})
    return peer, peer.getresponse()


@pytest.fixture
def service(tmp_path):
    port = free_port()
    process = start(tmp_path, port)
    for _ in range(2000):
        if process.poll() is not None:
            pytest.fail(process.stderr.read())
        with socket.socket() as probe:
            probe.settimeout(5)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        select.select([], [], [], 0.02)
    yield tmp_path, port, process
    process.kill()
    process.wait()


def test_it_serves_without_control_and_ends_cleanly_with_an_open_stream(service):
    root, port, process = service
    _, health = get(port, "/healthz")
    assert health.read() == b'{"service":"ok","control":"lost"}'
    token = StateDir(root).token
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    auth = {"Authorization": f"Bearer {token.read_text()}"}
    _, status = get(port, "/api/status", auth)
    assert status.status == 503
    stream_peer, stream = get(port, "/stream", auth)
    assert stream.readline().startswith(b"id: ")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=3) == 0
    assert process.stderr.read() == ""
    stream_peer.close()


def test_a_taken_port_ends_in_words_and_exit_code_6(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start(tmp_path, taken.getsockname()[1])
        _, words = process.communicate(timeout=60)
    assert process.returncode == 6
    assert "cannot be used" in words
    assert "Traceback" not in words


def test_it_refuses_to_listen_beyond_loopback(tmp_path):
    process = start(tmp_path, free_port(), host="0.0.0.0")
    _, words = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "loopback" in words
    assert "Traceback" not in words


def test_a_folder_without_a_run_ends_in_words(tmp_path):
    command = [sys.executable, "-m", "vpp.service", "--state", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "run.json" in done.stderr
    assert "Traceback" not in done.stderr
