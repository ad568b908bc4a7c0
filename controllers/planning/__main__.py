"""The planner process: `python -m controllers.planning --state DIR`."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import structlog

from controllers.planning.process import serve
from vpp.clock import RealClock
from vpp.errors import YuanwangError
from vpp.park import load_park, with_port_base
from vpp.state_dir import StateDir


async def _run(state: StateDir) -> None:
    settings = state.read_settings()
    park = load_park(settings.park)
    if settings.port_base is not None:
        park = with_port_base(park, settings.port_base)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(park, RealClock(settings.schedule), state, settings.schedule.segments[0][0], stop)


def main() -> int:
    """Run until SIGTERM; the exit code says what kept it from running."""
    parser = argparse.ArgumentParser(prog="controllers.planning")
    parser.add_argument("--state", required=True, type=Path)
    arguments = parser.parse_args()
    try:
        asyncio.run(_run(StateDir(arguments.state)))
    except FileNotFoundError as missing:
        structlog.get_logger("planner").error("no run was started in this state folder", missing=str(missing))
        return 3
    except YuanwangError as error:
        structlog.get_logger("planner").error(str(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
