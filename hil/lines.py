"""The lines between control and the plant's servers that a scenario spoils: proxies, and when they change."""

from collections import defaultdict
from dataclasses import replace
from datetime import datetime

from hil.device_log import Note
from hil.line import GOOD
from hil.line_faults import LineFault, Reset, line_at
from hil.proxy import Proxy
from hil.scenario import Scenario
from vpp.clock import Clock
from vpp.errors import DeviceFailure
from vpp.types import Endpoint


def spoilt(scenario: Scenario) -> dict[str, tuple[LineFault, ...]]:
    """Return by endpoint what happens to its line; endpoints with a good one are left out."""
    found: dict[str, list[LineFault]] = defaultdict(list)
    for event in scenario.events:
        if isinstance(event, LineFault):
            for name in event.endpoints:
                found[name].append(event)
    return {name: tuple(events) for name, events in found.items()}


class Lines:
    """Proxies on the ports of the endpoints whose lines are spoilt; their servers stand behind."""

    def __init__(self, scenario: Scenario, start: datetime, clock: Clock, seed: int, note: Note) -> None:
        self._events = spoilt(scenario)
        self._start, self._clock, self._seed, self._note = start, clock, seed, note
        self._minute = -float("inf")
        """Up to which the lines have been changed."""
        self._proxies: dict[str, Proxy] = {}

    def behind(self, name: str, endpoint: Endpoint) -> Endpoint:
        """Return where the server of an endpoint listens: on any port where a line lies before it."""
        return replace(endpoint, host="127.0.0.1", port=0) if name in self._events else endpoint

    async def lay(self, name: str, endpoint: Endpoint, port: int) -> int:
        """Lay the line of an endpoint to its server's port; returns the port that control knows.

        DeviceFailure where that is taken.
        """
        if name not in self._events:
            return port
        proxy = Proxy(
            "127.0.0.1", port, self._clock, seed=self._seed, own_host=endpoint.host, own_port=endpoint.port
        )
        try:
            self._proxies[name] = proxy
            return await proxy.start()
        except OSError as error:
            where = f"{endpoint.host}:{endpoint.port}"
            raise DeviceFailure(
                f"{name}: no line can be laid from {where} ({error.strerror or error})"
            ) from error

    async def change(self, to: datetime) -> None:
        """Make every line what it is to be at plant time `to`."""
        minute = (to - self._start).total_seconds() / 60
        for name, proxy in self._proxies.items():
            before, line = proxy.line, line_at(self._events[name], minute)
            resets = [e for e in self._events[name] if isinstance(e, Reset)]
            ends = any(self._minute < e.at_min <= minute for e in resets)
            if line == before and not ends:
                continue
            await proxy.set(line)
            if ends or line.refuses > before.refuses:
                proxy.reset()
            word = "reset" if ends else "good" if line == GOOD else "bad"
            self._note(to, {"event": "line", "device": name, "line": word})
        self._minute = minute

    async def close(self) -> None:
        """End every line."""
        for proxy in self._proxies.values():
            await proxy.close()
