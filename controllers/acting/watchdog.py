"""A thread that looks whether the event loop still turns, says where it hangs, and ends what never will."""

import os
import socket
import sys
import threading
import traceback
from contextlib import suppress

from vpp.clock import Clock

LOOK_S = 0.5
"""True seconds between two looks."""
BLOCKED_S = 2.0
"""The loop counts as blocked after so many true seconds (fault R3)."""
WEDGED_S = 15.0
"""After so many the process is ended, and its supervisor starts it again; assumption: above any fsync."""
EXIT_CODE = 6


class Watchdog:
    """Watches the loop that runs `show_life`; use as a context.

    Under systemd with `WatchdogSec` it also passes the loop's life on (sd_notify(3)).
    """

    def __init__(self, clock: Clock, blocked_s: float = BLOCKED_S, wedged_s: float = WEDGED_S) -> None:
        self._clock, self._blocked_s, self._wedged_s = clock, blocked_s, wedged_s
        self._stop = threading.Event()
        self._main = threading.get_ident()
        self._alive_s = clock.true_s()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self.blocked = 0
        """Times that the loop was found blocked."""

    def __enter__(self) -> "Watchdog":
        """Begin to watch."""
        self._alive_s = self._clock.true_s()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(2 * LOOK_S)

    async def show_life(self) -> None:
        """Show life for ever: the loop's side."""
        while True:
            self._alive_s = self._clock.true_s()
            _notify("WATCHDOG=1")
            await self._clock.sleep_true(LOOK_S)

    def _watch(self) -> None:
        told, looked_s = False, self._clock.true_s()
        while not self._stop.wait(LOOK_S):
            now_s = self._clock.true_s()
            gap_s, looked_s = now_s - looked_s, now_s
            if gap_s > 4 * LOOK_S:
                # the whole process stood still (SIGSTOP, a sleeping machine): the loop gets its time
                self._alive_s = now_s
            still_s = now_s - self._alive_s
            if still_s <= self._blocked_s:
                told = False
            elif not told:
                told = True
                self.blocked += 1
                _tell(f"control: its loop has been blocked for {still_s:.1f} s, at:\n{self._where()}")
            if still_s > self._wedged_s:
                _tell(f"control: its loop has been blocked for {still_s:.1f} s: the process ends")
                os._exit(EXIT_CODE)

    def _where(self) -> str:
        frame = sys._current_frames().get(self._main)
        return "".join(traceback.format_stack(frame)[-4:]) if frame is not None else "unknown\n"


def _tell(text: str) -> None:
    with suppress(OSError):
        sys.stderr.write(text if text.endswith("\n") else text + "\n")
        sys.stderr.flush()


def _notify(words: str) -> None:
    """Tell systemd, where it has started this process; never waits."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            line.sendto(words.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)
