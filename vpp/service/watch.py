"""What `vpp run` shows while it runs: a table redrawn each second, or a line a minute."""

import sys
from collections.abc import AsyncIterator

from vpp.errors import DeviceFailure, TimedOut
from vpp.link import LinkClient
from vpp.service.supervise import Live
from vpp.service.table import live_table, one_line
from vpp.service.terminal import forsake_output, is_live, say, use_colour
from vpp.types import Snapshot

CONNECT_S = 2.0
RETRY_S = 0.5
REMARKS_SHOWN = 6
LINE_EVERY_S = 5.0
"""True seconds between lines where nothing can be redrawn."""


async def show(live: Live) -> None:
    """Show the run: page address first, then the table or lines.

    Ends by itself only where nobody reads any more, as behind `| head`: the run goes on.
    """
    try:
        say(welcome(live))
        if is_live(sys.stdout):
            await _redraw(live)
        else:
            await _lines(live)
    except BrokenPipeError:
        forsake_output()


def welcome(live: Live) -> str:
    """Return the address of the page with its token, and where the state lies."""
    settings, state = live.request.settings, live.request.state
    try:
        token = state.token.read_text(encoding="ascii").strip()
    except OSError:
        token = ""
    address = f"http://{settings.web_host}:{settings.web_port}/" + (f"?token={token}" if token else "")
    rates = ", ".join(f"{rate:g}" for _, rate in settings.schedule.segments)
    return f"page   {address}\nstate  {state.root}\nrate   {rates}"


async def snapshots(live: Live) -> AsyncIterator[Snapshot]:
    """Yield control's snapshots as they come, through restarts of control."""
    while True:
        try:
            async with await LinkClient.connect(live.request.state.socket, "cli", CONNECT_S) as client:
                async for snapshot in client.snapshots():
                    yield snapshot
        except (DeviceFailure, TimedOut):
            await live.clock.sleep_true(RETRY_S)


async def _redraw(live: Live) -> None:
    from rich.console import Console
    from rich.live import Live as Screen

    console = Console(no_color=not use_colour(sys.stdout), highlight=False)
    with Screen(console=console, auto_refresh=False) as screen:
        async for snapshot in snapshots(live):
            table = live_table(live.request.park, snapshot, live.remarks[-REMARKS_SHOWN:])
            screen.update(table, refresh=True)


async def _lines(live: Live) -> None:
    told, last_s = 0, -LINE_EVERY_S
    async for snapshot in snapshots(live):
        for remark in live.remarks[told:]:
            say(remark)
        told = len(live.remarks)
        if snapshot.true_s - last_s >= LINE_EVERY_S:
            last_s = snapshot.true_s
            say(one_line(live.request.park, snapshot))
