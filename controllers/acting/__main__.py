"""The control process: `python -m controllers.acting --state DIR`."""

import argparse
import asyncio
import fcntl
import signal
import sys
from contextlib import suppress
from pathlib import Path

import uvloop

from controllers.acting.build import build_control
from controllers.acting.cycle import Control
from controllers.acting.modbus_field import ModbusField, end
from vpp.clock import RealClock
from vpp.errors import DeviceFailure, YuanwangError
from vpp.journal import Journal
from vpp.link import LinkServer
from vpp.park import load_park, with_port_base
from vpp.state_dir import StateDir

SYNC_EVERY_S = 10.0
"""True seconds between two times that the journal is forced to disk, in a thread; assumption."""


def next_epoch(state: StateDir) -> int:
    """Count this start before anything is written to a device; the file is replaced in one step."""
    last = int(state.epoch.read_text()) if state.epoch.exists() else 0
    beside = state.epoch.with_suffix(".new")
    beside.write_text(f"{last + 1}\n")
    beside.replace(state.epoch)
    return last + 1


async def tick(control: Control, server: LinkServer, clock: RealClock, cycle_s: float) -> None:
    """Run cycles on a fixed grid of true time; a tick that was missed is counted, not made up for."""
    start, done = clock.true_s(), 0
    while True:
        control.connected(server.roles)
        server.publish(await control.cycle())
        passed = int((clock.true_s() - start) / cycle_s)
        control.count_missed(max(passed - done, 0))
        done = max(passed, done) + 1
        await clock.sleep_true(start + done * cycle_s - clock.true_s())


async def sync(journal: Journal, clock: RealClock) -> None:
    """Force the journal to disk now and then, away from the control loop."""
    while True:
        await clock.sleep_true(SYNC_EVERY_S)
        await asyncio.to_thread(journal.sync)


async def serve(state: StateDir) -> None:
    """Run control until SIGTERM or SIGINT; the devices keep their last command."""
    settings = state.read_settings()
    clock = RealClock(settings.schedule)
    park = load_park(settings.park)
    if settings.port_base is not None:
        park = with_port_base(park, settings.port_base)
    state.prepare()
    journal = Journal(state.journal, clock)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with ModbusField(park, clock) as field:
        control = build_control(park, field, clock, journal, epoch=next_epoch(state), state=state)
        server = LinkServer(state.socket, control.take)
        await server.start()
        tasks = [
            asyncio.create_task(tick(control, server, clock, park.horizon.cycle_s), name="tick"),
            asyncio.create_task(sync(journal, clock), name="sync"),
            asyncio.create_task(_wait(ended), name="end"),
        ]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await end(tasks)
        await server.stop()
        journal.append("stop", {"reason": "asked to end" if ended.is_set() else "a task failed"})
        journal.close()
    for task in done:
        task.result()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code of the control process; failures are told in one line."""
    parser = argparse.ArgumentParser(prog="python -m controllers.acting", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="state folder of the run")
    state = StateDir(parser.parse_args(arguments).state)
    try:
        with (state.root / "control.lock").open("w") as lock:
            _lock(lock.fileno(), state)
            uvloop.run(serve(state))
    except FileNotFoundError as missing:
        print(f"control: no run was started in {state.root}: {missing}", file=sys.stderr)
        return 3
    except YuanwangError as failed:
        print(f"control: {failed}", file=sys.stderr)
        return failed.exit_code
    except KeyboardInterrupt:
        return 0
    return 0


def _lock(descriptor: int, state: StateDir) -> None:
    """Hold the folder for this process alone; the kernel lets go when it dies."""
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    raise DeviceFailure(f"another control process runs in {state.root}; stop it first")


if __name__ == "__main__":
    sys.exit(main())
