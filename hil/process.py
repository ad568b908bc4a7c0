"""The simulated plant as a process: real clock, Modbus servers, fronts."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence

from hil.device_log import DeviceLog
from hil.front import READY, socket_path
from hil.guard import guard_of
from hil.lines import Lines, spoilt
from hil.rig import Rig
from hil.scenario import QUIET, Scenario, read_scenario
from hil.server import Listener
from hil.terminal import RigTerminal, serve_lines
from vpp.clock import Clock, RealClock
from vpp.errors import DeviceFailure, Fault, InvalidInput
from vpp.park import Park, endpoints, load_park, with_port_base
from vpp.state_dir import StateDir

RESTART_PAUSE_S = 5.0
"""True seconds between a front's death and its next start."""
START_DEADLINE_S = 30.0
"""True seconds within which a front listens."""
PERIOD_S = 0.25
"""True seconds between two advances of the plant."""


async def serve(state: StateDir, own_process: Sequence[str]) -> None:
    """Run the plant of a state folder until SIGTERM or SIGINT.

    It begins now or at the run's start, whichever is earlier: no heartbeat stands still while the
    other processes get ready, and one that is started again first lives through the time since the
    run's start, without commands.

    InvalidInput for a bad park, scenario or endpoint name; DeviceFailure for a port in use.
    """
    settings = state.read_settings()
    clock = RealClock(settings.schedule)
    park = load_park(settings.park)
    if settings.port_base is not None:
        park = with_port_base(park, settings.port_base)
    scenario = read_scenario(settings.scenario, park) if settings.scenario else QUIET
    _refuse(own_process, park, scenario)
    log = DeviceLog(state.device_log, clock.true_s)
    start = settings.schedule.segments[0][0]
    lead_s = max((start - clock.plant_now()).total_seconds(), 0.0)
    rig = Rig(park, start, settings.seed, scenario, lead_s=lead_s, note=log.note)
    terminals = {name: RigTerminal(rig, clock, log.note, name) for name in rig.endpoints}
    guard, lines = guard_of(park), Lines(scenario, start, clock, settings.seed, log.note)
    listeners = [
        Listener(
            name, lines.behind(name, e), rig.registers[name], own := terminals[name], guard, manner=own.manner
        )
        for name, e in rig.endpoints.items()
        if name not in own_process
    ]
    fronts = await serve_lines(socket_path(state), terminals)
    try:
        rig.advance(clock.plant_now())
        ports = {
            one.name: await lines.lay(one.name, rig.endpoints[one.name], await one.start())
            for one in listeners
        }
        (state.root / "ports.json").write_text(json.dumps(ports))
        log.note(clock.plant_now(), {"event": "serving", "endpoints": len(rig.endpoints)})
        await _run(_live(rig, lines, clock), clock, state, own_process, log)
    finally:
        await lines.close()
        for listener in listeners:
            await listener.close()
        fronts.close()
        socket_path(state).unlink(missing_ok=True)
        served = {listener.name: listener.served.requests for listener in listeners}
        log.note(clock.plant_now(), {"event": "stopped", "requests": served})
        log.close()


def _refuse(own_process: Sequence[str], park: Park, scenario: Scenario) -> None:
    """Refuse endpoints that nobody can serve from a process of their own."""
    able = [name for name in endpoints(park) if name not in spoilt(scenario)]
    wrong = [name for name in own_process if name not in able]
    if wrong:
        expected = f"one of {', '.join(able)}: endpoints whose lines the scenario leaves alone"
        raise InvalidInput(tuple(Fault(file="--own-process", wrong=n, expected=expected) for n in wrong))


async def _run(
    life: Coroutine[None, None, None],
    clock: Clock,
    state: StateDir,
    own_process: Sequence[str],
    log: DeviceLog,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def note(record: dict[str, object]) -> None:
        log.note(clock.plant_now(), record)

    tasks = [
        asyncio.create_task(stop.wait(), name="stop"),
        asyncio.create_task(life, name="life"),
        *(asyncio.create_task(keep_front(state, n, clock, note), name=f"front:{n}") for n in own_process),
    ]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


async def keep_front(
    state: StateDir, endpoint: str, clock: Clock, note: Callable[[dict[str, object]], None]
) -> None:
    """Start a front and start it anew after each death, until cancelled.

    DeviceFailure when the first start fails.
    """
    starts = 0
    while True:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hil.front",
            "--state",
            str(state.root),
            "--endpoint",
            endpoint,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert child.stdout is not None
            starts += 1
            if await _listens(child.stdout):
                note({"event": "front_started", "device": endpoint, "pid": child.pid, "starts": starts})
                await child.wait()
            elif starts == 1:
                raise DeviceFailure(f"{endpoint}: its own server process did not start")
            note({"event": "front_died", "device": endpoint, "code": child.returncode})
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        await clock.sleep_true(RESTART_PAUSE_S)


async def _listens(stdout: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(START_DEADLINE_S):
            return await stdout.readline() == READY
    except TimeoutError:
        return False


async def _live(rig: Rig, lines: Lines, clock: Clock) -> None:
    while True:
        now = clock.plant_now()
        rig.advance(now)
        await lines.change(now)
        await clock.sleep_true(PERIOD_S)
