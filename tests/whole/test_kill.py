"""Processes killed from outside, one after the other, on one running park at rate 60."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from controllers.acting.replay import replay
from vpp import journal
from vpp.clock import monotonic_s
from vpp.link import PlanOffer
from vpp.park import load_park
from vpp.types import Plan, Snapshot, wire

System = Any
"""`conftest.System`; fixtures bring it, since tests are no package."""


def plan_in_force(system: System) -> Plan:
    return wire.decode(system.state.current_plan.read_bytes(), PlanOffer).plan


def alarm_about(word: str) -> Callable[[Snapshot], bool]:
    return lambda snapshot: any(word in alarm.id for alarm in snapshot.alarms)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def wait_until(holds: Callable[[], bool], within_s: float) -> bool:
    deadline = monotonic_s() + within_s
    while monotonic_s() < deadline:
        if holds():
            return True
        time.sleep(0.1)
    return False


def test_control_goes_on_without_its_planner_and_takes_the_next_plan(system: System) -> None:
    before = system.status()
    killed = system.kill("planner")
    told = system.until(alarm_about("planner"), 10)
    assert told.cycle > before.cycle
    assert told.following.value == "plan"
    after = system.until(lambda s: s.plan_made_at is not None and s.plan_made_at > told.at, 60)
    assert after.missed_ticks - before.missed_ticks <= 2
    assert system.children()["planner"] != killed
    system.until(lambda s: not alarm_about("process:planner")(s), 30)


def test_a_killed_device_server_is_told_planned_around_and_taken_back(
    system: System, below: Callable[[int], list[int]]
) -> None:
    near, far = timedelta(minutes=3), timedelta(minutes=4, seconds=30)
    system.until(lambda s: s.next_replan_at is not None and near < s.next_replan_at - s.at < far, 30)
    (front,) = below(system.children()["plant"])
    os.kill(front, signal.SIGKILL)
    told = system.until(alarm_about("CAES1"), 15)
    assert told.following.value == "plan"
    assert wait_until(lambda: plan_in_force(system).initial.resources["CAES1"]["available"] == 0.0, 10)
    around = plan_in_force(system)
    assert around.series["CAES1"]["discharge_mw"][0] == 0.0
    assert around.series["CAES1"]["charge_mw"][0] == 0.0
    system.until(lambda s: s.readings["CAES1"].quality.value == "good", 30)
    system.until(lambda s: not alarm_about("silent:CAES1")(s), 30)


def test_devices_revert_by_themselves_when_control_is_killed(system: System) -> None:
    before = system.status()
    os.kill(system.process.pid, signal.SIGSTOP)
    try:
        killed = system.kill("control")
        assert wait_until(lambda: gone(killed), 5)
        died_s = monotonic_s()
        sent = {name: s for name, s in before.setpoints.items() if name in ("BESS1", "CAES1", "WF")}
        hold_s = {name: s.ttl_s + s.reversion_s for name, s in before.setpoints.items()}
        # one device a second, batteries first: nothing reverts all at once
        assert sorted(hold_s.values()) == [600.0 + k for k in range(len(hold_s))]
        assert min(hold_s, key=lambda name: hold_s[name]) == "BESS1"
        assert wait_until(lambda: reverted(system, died_s) >= set(sent), max(hold_s.values()) / 60 + 10)
    finally:
        os.kill(system.process.pid, signal.SIGCONT)
    after = system.until(lambda s: s.epoch == before.epoch + 1 and s.cycle > 3, 40)
    log = system.device_log()
    check_reversion_times(log, died_s, hold_s)
    check_first_frames(log, died_s)
    assert after.following.value in {"plan", "hold"}
    assert journal.verify(system.state.journal).ok


def reverted(system: System, since_s: float) -> set[str]:
    return {
        str(line["device"])
        for line in system.device_log()
        if line["event"] == "reverted" and float(line["true_s"]) > since_s
    }


def check_reversion_times(log: list[dict[str, Any]], since_s: float, hold_s: dict[str, float]) -> None:
    """Each reversion lies one time-to-live and one delay after the device's last write."""
    checked = 0
    for k, line in enumerate(log):
        if line["event"] != "reverted" or line["true_s"] < since_s:
            continue
        writes = [
            w
            for w in log[:k]
            if w["event"] == "write" and w["device"] == line["device"] and "reversion_mw" in w["values"]
        ]
        waited = datetime.fromisoformat(line["at"]) - datetime.fromisoformat(writes[-1]["at"])
        assert abs(waited.total_seconds() - hold_s[line["device"]]) <= 1.0, line
        checked += 1
    assert checked >= 3


def check_first_frames(log: list[dict[str, Any]], since_s: float) -> None:
    first = [line for line in log if line["event"] == "first_frame" and line["true_s"] > since_s]
    assert {line["kind"] for line in first} == {"read"}
    assert len({line["device"] for line in first}) >= 13


def test_nothing_outlives_a_killed_supervisor_and_the_next_run_takes_over(
    system: System, below: Callable[[int], list[int]], launched: Callable[..., System]
) -> None:
    pids = below(system.process.pid)
    assert len(pids) >= 5
    os.kill(system.process.pid, signal.SIGKILL)
    system.process.wait(5)
    assert wait_until(lambda: all(map(gone, pids)), 15), [p for p in pids if not gone(p)]
    successor = launched(system.state, "--speed", "60")
    pids = below(successor.process.pid)
    successor.process.send_signal(signal.SIGINT)
    assert successor.process.wait(20) == 0
    assert all(map(gone, pids))
    assert "Traceback" not in successor.output()
    assert journal.verify(successor.state.journal).ok


def test_what_control_did_over_modbus_comes_out_again_from_its_journal(system: System) -> None:
    earlier = system.state.root / "earlier" / "journal"
    again = asyncio.run(replay(load_park("small10"), earlier))
    assert (again.difference, again.ended) == ("", "control was started again")
    assert again.cycles > 20
    assert again.setpoints > 3 * again.cycles
