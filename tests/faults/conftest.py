"""Control, its Modbus driver, bad lines and the simulated plant's servers in one loop, on real sockets."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

import pytest

from controllers.acting.build import build_control
from controllers.acting.cycle import Control
from controllers.acting.modbus_field import ModbusField
from hil.proxy import Proxy
from hil.rig import Rig
from hil.scenario import QUIET, Scenario
from hil.server import Listener
from hil.terminal import RigTerminal
from vpp.clock import RealClock, Schedule, monotonic_s
from vpp.journal import Journal
from vpp.park import Park, endpoints, load_park
from vpp.types import Quality, Snapshot

START = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)
CYCLE_S, TIMEOUT_MS = 0.25, 200.0
"""A quarter of the product's cycle, half of a device's time to answer."""


@dataclass(slots=True)
class Site:
    """One running park; time goes on by itself, cycles run in `cycles` and `until` alone."""

    park: Park
    clock: RealClock
    rig: Rig
    control: Control
    field: ModbusField
    listeners: Mapping[str, Listener]
    proxies: Mapping[str, Proxy]
    ports: Mapping[str, int]
    """Where the plant's own servers listen."""
    log: list[dict[str, object]]
    journal: Journal
    seen: deque[Snapshot] = field(default_factory=lambda: deque(maxlen=2))
    next_s: float = 0.0

    async def cycles(self, count: int) -> Snapshot:
        """Run so many cycles at their times."""
        for _ in range(count):
            wait_s = max(self.next_s - self.clock.true_s(), 0.0)
            await self.clock.sleep_true(wait_s)
            cycle_s = self.park.horizon.cycle_s
            self.next_s = max(self.next_s, self.clock.true_s() - cycle_s) + cycle_s
            self.rig.advance(self.clock.plant_now())
            self.seen.append(await self.control.cycle())
        return self.seen[-1]

    async def until(self, holds: Callable[[Snapshot], bool], within: int = 60) -> int:
        """Return after how many cycles something held; fail where it does not."""
        for count in range(1, within + 1):
            if holds(await self.cycles(1)):
                return count
        last = self.seen[-1]
        raise AssertionError(f"not within {within} cycles: {last.alarms} {last.links}")

    def alarm(self, id_: str) -> str:
        """Return the words of a standing alarm; empty where it does not stand."""
        return next((alarm.text for alarm in self.seen[-1].alarms if alarm.id == id_), "")

    def quality(self, name: str) -> Quality:
        return self.seen[-1].readings[name].quality

    def events(self, device: str, *kinds: str) -> list[dict[str, object]]:
        """Return what the device's own log holds of some kinds."""
        return [row for row in self.log if row.get("device") == device and row["event"] in kinds]


Opened = Callable[..., AbstractAsyncContextManager[Site]]


@pytest.fixture(scope="session")
def park() -> Park:
    return load_park("small10")


@pytest.fixture(scope="session")
def clock() -> RealClock:
    return RealClock(Schedule(origin_true_s=monotonic_s(), segments=((START, 1.0),)))


@pytest.fixture(scope="session")
def site(park: Park, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Open a site; endpoints in `lines` stand behind a proxy, those in `absent` have no server.

    `hosts` and `ports` are where control looks for an endpoint instead.
    """

    @asynccontextmanager
    async def opened(
        lines: Collection[str] = (),
        *,
        scenario: Scenario = QUIET,
        absent: Mapping[str, int] | None = None,
        settle: bool = True,
        hosts: Mapping[str, str] | None = None,
        ports: Mapping[str, int] | None = None,
        of: Park = park,
        timeout_ms: float = TIMEOUT_MS,
        heard: Callable[[datetime, Mapping[str, object]], None] = unheard,
        **horizon: float,
    ) -> AsyncIterator[Site]:
        log: list[dict[str, object]] = []
        clock = RealClock(Schedule(origin_true_s=monotonic_s(), segments=((START, 1.0),)))

        def note(at: datetime, record: Mapping[str, object]) -> None:
            log.append({"at": at, **record})
            heard(at, record)

        rig = Rig(of, START, 1, scenario, note=note)
        away = dict(absent or {})
        listeners: dict[str, Listener] = {}
        proxies: dict[str, Proxy] = {}
        reached = dict(away)
        own_ports: dict[str, int] = {}
        try:
            for name, endpoint in rig.endpoints.items():
                if name in away:
                    continue
                own = RigTerminal(rig, clock, note, name)
                here = replace(endpoint, host="127.0.0.1", port=0)
                listeners[name] = Listener(name, here, rig.registers[name], own, manner=own.manner)
                reached[name] = own_ports[name] = await listeners[name].start()
                if name in lines:
                    proxies[name] = Proxy("127.0.0.1", own_ports[name], clock, seed=1)
                    reached[name] = await proxies[name].start()
            there = at_ports(of, reached | dict(ports or {}), timeout_ms, horizon, hosts or {})
            journal = Journal(tmp_path_factory.mktemp("site") / "journal", clock)
            fields = ModbusField(there, clock)
            made = Site(
                park=there,
                clock=clock,
                rig=rig,
                control=build_control(there, fields, clock, journal, epoch=7),
                field=fields,
                listeners=listeners,
                proxies=proxies,
                ports=own_ports,
                log=log,
                journal=journal,
                next_s=clock.true_s(),
            )
            async with fields:
                if settle:
                    await made.until(lambda s: all_good(s, set(rig.endpoints) - set(away)))
                    await made.cycles(2)
                yield made
            journal.close()
        finally:
            for proxy in proxies.values():
                await proxy.close()
            for listener in listeners.values():
                await listener.close()

    return opened


def all_good(snapshot: Snapshot, names: Collection[str]) -> bool:
    return all(snapshot.readings[name].quality is Quality.GOOD for name in names)


def unheard(_at: datetime, _record: Mapping[str, object]) -> None:
    """Do nothing with a line of the device log."""


def at_ports(
    park: Park,
    ports: Mapping[str, int],
    timeout_ms: float,
    horizon: Mapping[str, float],
    hosts: Mapping[str, str],
) -> Park:
    """Return the park with every endpoint at its port and the site's cycle and time-outs."""

    def moved(rows):
        return {
            name: replace(
                row,
                endpoint=replace(
                    row.endpoint,
                    host=hosts.get(name, "127.0.0.1"),
                    port=ports.get(name, 1),
                    timeout_ms=timeout_ms,
                ),
            )
            for name, row in rows.items()
        }

    assert set(ports) <= set(endpoints(park))
    resources = moved(park.resources)
    return replace(
        park,
        resources=resources,
        devices={name: replace(device, resource=resources[name]) for name, device in park.devices.items()},
        loads=moved(park.loads),
        meters=moved(park.meters),
        actuators=moved(park.actuators),
        horizon=replace(park.horizon, **{"cycle_s": CYCLE_S, **horizon}),
    )
