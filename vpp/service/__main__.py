"""The service process: `python -m vpp.service --state DIR`."""

import argparse
import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from vpp.clock import RealClock
from vpp.errors import DeviceFailure, Fault, InvalidInput, YuanwangError
from vpp.link import Note, PlanOffer
from vpp.park import load_park
from vpp.park.model import Park
from vpp.service.api import Parts, build_app
from vpp.service.api_feed import Feed, follow
from vpp.service.jobs import Calendar, make_scheduler
from vpp.service.token import read_or_make_token
from vpp.state_dir import RunSettings, StateDir
from vpp.types import Plan, Severity, wire

CONNECTIONS_MAX = 100
"""Connections served at once; the next get 503."""
GRACE_S = 1
"""True seconds for requests under way when the process is told to end."""
NOTE_S = 2.0


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: it would end a clean stop with the signal again."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `_serve`."""
        yield


def main() -> None:
    """Serve until SIGTERM or SIGINT; wrong input and taken ports end in words and an exit code."""
    parser = argparse.ArgumentParser(prog="python -m vpp.service")
    parser.add_argument("--state", required=True, type=Path, help="state folder of the run")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(_serve(StateDir(parser.parse_args().state.absolute())))
    except YuanwangError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


async def _serve(state: StateDir) -> None:
    settings = _settings(state)
    park = load_park(settings.park)
    listener = _listen(settings.web_host, settings.web_port)
    state.prepare()
    clock, token = RealClock(settings.schedule), read_or_make_token(state)
    tie = next((meter.id for meter in park.meters.values() if meter.kind == "tie"), "")
    feed = Feed(lambda: read_plan(state.current_plan), tie)
    parts = Parts(state=state, park=park, feed=feed, clock=clock, token=token, simulated=settings.simulated)
    config = uvicorn.Config(
        build_app(parts),
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(config)

    def stop() -> None:
        server.should_exit = True
        feed.close()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    scheduler = make_scheduler(_calendar(state, settings, park, clock, feed))
    scheduler.start()
    following = asyncio.create_task(follow(feed, state.socket, clock, park))
    following.add_done_callback(lambda _: stop())
    try:
        await server.serve(sockets=[listener])
    finally:
        scheduler.shutdown(wait=False)
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following


def _calendar(state: StateDir, settings: RunSettings, park: Park, clock: RealClock, feed: Feed) -> Calendar:
    async def report(job: str, well: bool, text: str) -> None:
        severity = Severity.INFORMATION if well else Severity.ACTION
        note = Note(id=job, source="service", severity=severity, text=text, raised=not well)
        with contextlib.suppress(YuanwangError):
            await feed.request(note, NOTE_S)

    return Calendar(
        state=state,
        park=settings.park,
        zone=park.site.zone,
        schedule=settings.schedule,
        clock=clock,
        report=report,
    )


def _settings(state: StateDir) -> RunSettings:
    try:
        return state.read_settings()
    except (FileNotFoundError, ValueError) as error:
        fault = Fault(
            file=str(state.settings), wrong=str(error), expected="the settings that `vpp run` writes"
        )
        raise InvalidInput((fault,)) from error


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket on a loopback address; anything else is refused (no TLS here)."""
    if not ipaddress.ip_address("127.0.0.1" if host == "localhost" else host).is_loopback:
        fault = Fault(
            file="run.json", field="web_host", wrong=host, expected="a loopback address such as 127.0.0.1"
        )
        raise InvalidInput((fault,))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as taken:
        listener.close()
        advice = "end the program that holds it, or choose another with --web-port"
        raise DeviceFailure(f"port {port} on {host} cannot be used ({taken.strerror}): {advice}") from taken
    return listener


def read_plan(path: Path) -> Plan | None:
    """Return the plan that control keeps on disk; None where there is none or it is being replaced."""
    try:
        return wire.decode(path.read_bytes(), PlanOffer).plan
    except (OSError, ValueError):
        return None


if __name__ == "__main__":
    main()
