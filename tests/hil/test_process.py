"""The plant as a process, seen from outside: foreign clients, a front that dies, a port in use."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from vpp.clock import UTC, RealClock, Schedule, monotonic_s
from vpp.service.ready import free_base
from vpp.state_dir import RunSettings, StateDir

START = datetime(2026, 3, 10, 4, tzinfo=UTC)
ENDPOINTS = 13
DPV, CAES1, BESS1, LD_ZN = 2, 3, 4, 7
"""Numbers of endpoints, counted from the port base; units are one more."""


@dataclass
class Plant:
    state: StateDir
    base: int
    process: subprocess.Popen[str]

    def log(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.state.device_log.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]


BAD_LINE = """
name = "bad line"
duration_min = 10000
[[event]]
kind = "half_open"
endpoints = ["DPV"]
way = "answers"
at_min = 0
for_min = 10000
"""


def start(root: Path, base: int, *options: str) -> Plant:
    state = StateDir(root)
    state.prepare()
    schedule = Schedule(origin_true_s=monotonic_s(), segments=((START, 60.0),))
    scenario = root / "scenario.toml"
    scenario.write_text(BAD_LINE)
    state.write_settings(
        RunSettings(
            park="small10",
            schedule=schedule,
            seed=7,
            port_base=base,
            simulated=True,
            scenario=str(scenario),
        )
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "hil", "--state", str(root), *options],
        stderr=subprocess.PIPE,
        text=True,
    )
    return Plant(state, base, process)


def wait_for(true: Callable[[], object], what: str, deadline_s: float = 60) -> None:
    end = monotonic_s() + deadline_s
    while not true():
        if monotonic_s() > end:
            pytest.fail(f"not within {deadline_s} s: {what}")
        subprocess.run(["sleep", "0.05"], check=True)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    plant = start(
        tmp_path_factory.mktemp("state"), free_base("127.0.0.1", ENDPOINTS, 21_000), "--own-process", "CAES1"
    )
    try:
        wait_for(lambda: plant.state.device_log.exists() and plant.log("front_started"), "the plant serves")
        yield plant
    finally:
        plant.process.terminate()
        assert plant.process.wait(10) == 0
        assert plant.process.stderr is not None
        assert plant.process.stderr.read() == ""


def mbpoll(plant: Plant, number: int, *options: str) -> str:
    program = shutil.which("mbpoll")
    if program is None:
        if os.environ.get("VPP_REQUIRE_PEERS") == "1":
            pytest.fail("mbpoll is required here (Debian package mbpoll)")
        pytest.skip("mbpoll is not installed")
    command = [program, "-m", "tcp", "-0", "-1", "-q", "-p", str(plant.base + number), "-a", str(number + 1)]
    answer = subprocess.run(
        [*command, *options[:-1], "127.0.0.1", *options[-1].split()],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_mbpoll_reads_a_device_and_a_meter(plant: Plant) -> None:
    # the CAES plant stands still: 600 kW of own use, as a 32-bit integer, with the meter's noise
    shown = mbpoll(plant, CAES1, "-t", "3:int", "-B", "-r", "1002", "-c", "1", "")
    assert re.search(r"\[1002\]: \t-(599|600|601)\n", shown), shown
    assert "[40000]: \t21365" in mbpoll(plant, BESS1, "-t", "4", "-r", "40000", "-c", "1", "")


def test_mbpoll_opens_a_breaker_and_reads_it_back(plant: Plant) -> None:
    mbpoll(plant, LD_ZN, "-t", "0", "-r", "1", "1")
    assert "[1]: \t1" in mbpoll(plant, LD_ZN, "-t", "0", "-r", "1", "-c", "1", "")
    assert "[1]: \t2" in mbpoll(plant, LD_ZN, "-t", "3", "-r", "1", "-c", "1", "")
    mbpoll(plant, LD_ZN, "-t", "0", "-r", "1", "0")
    writes = [line["values"] for line in plant.log("write") if line["device"] == "LD_ZN"]
    assert writes[-2:] == [{"block_2": 1}, {"block_2": 0}]


def test_the_sunspec_client_scans_the_battery_and_sets_its_power(plant: Plant) -> None:
    required = os.environ.get("VPP_REQUIRE_PEERS") == "1"
    name = "sunspec2.modbus.client"
    client = import_module(name) if required else pytest.importorskip(name)
    battery = client.SunSpecModbusClientDeviceTCP(
        slave_id=BESS1 + 1, ipaddr="127.0.0.1", ipport=plant.base + BESS1, timeout=5
    )
    battery.scan()
    found = [number for number in battery.models if isinstance(number, int)]
    assert found == [1, 701, 702, 704, 713, 715]
    controls = battery.models[704][0]
    controls.read()
    controls.WSet.cvalue = 12_000_000
    controls.WSet.write()
    controls.WSetEna.value = 1
    controls.WSetEna.write()
    wait_for(lambda: abs(_watts(battery) - 12e6) < 1e5, "the battery gives 12 MW")
    battery.close()
    writes = [line["values"] for line in plant.log("write") if line["device"] == "BESS1"]
    assert writes == [{"setpoint_mw": 12}, {"setpoint_enable": 1}]


def _watts(battery: Any) -> float:
    battery.models[701][0].read()
    return float(battery.models[701][0].W.cvalue)


def test_a_device_server_that_dies_comes_back_and_its_device_ran_on(plant: Plant) -> None:
    (first,) = plant.log("front_started")
    command = "10 07d0 000e 1c" + "ffff15a0 00000000 00000001 00000001 00002328 00000000 00002328"
    with socket.create_connection(("127.0.0.1", plant.base + CAES1), timeout=5) as line:
        body = bytes.fromhex(command)
        line.sendall(bytes((0, 1, 0, 0, 0, len(body) + 1, CAES1 + 1)) + body)
        assert line.recv(12)[7] == 0x10
    os.kill(first["pid"], signal.SIGKILL)
    wait_for(lambda: plant.log("front_died"), "the death is logged")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", plant.base + CAES1), timeout=1)
    wait_for(lambda: len(plant.log("front_started")) == 2, "the server is started again")
    died, again = plant.log("front_died")[0], plant.log("front_started")[1]
    assert died["code"] == -9
    assert again["true_s"] - died["true_s"] >= 5
    # -60 MW were asked before the death; five true seconds later it charges or starts to
    with socket.create_connection(("127.0.0.1", plant.base + CAES1), timeout=5) as line:
        line.sendall(bytes.fromhex(f"0002 0000 0006 {CAES1 + 1:02x} 04 03e9 0001"))
        mode_code = line.recv(11)[10]
    assert mode_code in (1, 3)


def test_each_connection_s_first_frame_is_on_record(plant: Plant) -> None:
    with socket.create_connection(("127.0.0.1", plant.base + LD_ZN), timeout=5) as line:
        line.sendall(bytes.fromhex(f"0001 0000 0006 {LD_ZN + 1:02x} 04 0000 0001"))
        assert line.recv(11)[7] == 0x04
    frames = [line for line in plant.log("first_frame") if line["device"] == "LD_ZN"]
    assert frames[-1]["kind"] == "read"


def test_a_port_in_use_ends_in_words_and_code_6(tmp_path: Path) -> None:
    base = free_base("127.0.0.1", ENDPOINTS, 21_000)
    with socket.create_server(("127.0.0.1", base + BESS1)):
        plant = start(tmp_path, base)
        _, told = plant.process.communicate(timeout=30)
    assert plant.process.returncode == 6
    assert f"BESS1: cannot listen on 127.0.0.1:{base + BESS1}" in told
    assert "Traceback" not in told


def test_an_endpoint_that_is_unknown_or_on_a_bad_line_has_no_process_of_its_own(tmp_path: Path) -> None:
    options = ("--own-process", "CAES9", "--own-process", "DPV")
    plant = start(tmp_path, free_base("127.0.0.1", ENDPOINTS, 21_000), *options)
    _, told = plant.process.communicate(timeout=30)
    assert plant.process.returncode == 3
    assert [line.split(";")[0] for line in told.splitlines()] == [
        "--own-process: CAES9",
        "--own-process: DPV",
    ]
    assert "CAES1" in told


def test_a_spoilt_line_lies_between_a_client_and_its_device(plant: Plant) -> None:
    wait_for(lambda: plant.log("line"), "the line is spoilt")
    assert [(row["device"], row["line"]) for row in plant.log("line")] == [("DPV", "bad")]
    with socket.create_connection(("127.0.0.1", plant.base + DPV), timeout=5) as line:
        line.sendall(bytes.fromhex(f"0001 0000 0006 {DPV + 1:02x} 04 0000 0001"))
        wait_for(lambda: "DPV" in {row["device"] for row in plant.log("first_frame")}, "it was asked")
        line.settimeout(0.2)
        with pytest.raises(TimeoutError):
            line.recv(1)


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hil", "--state", str(tmp_path)], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 3
    assert "run.json is missing" in done.stderr


def test_the_clock_of_the_log_is_the_run_s_plant_time(plant: Plant) -> None:
    clock = RealClock(plant.state.read_settings().schedule)
    at = datetime.fromisoformat(plant.log("serving")[0]["at"])
    assert START < at < clock.plant_now()
