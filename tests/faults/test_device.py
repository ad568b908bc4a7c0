"""Device faults D1 to D5, D8 to D10 and D24 of docs/faults.md, by what control makes of real sockets."""

import asyncio
import socket
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from hil.faults import Crowded, Garbles
from hil.scenario import QUIET, Silence, Slow
from vpp.types import LinkState, Quality, ShedOrder

OTHERS = ("WF", "PV", "TIE", "LD_ZN")
ALWAYS = {"at_min": 0.0, "for_min": 600.0}


def scripted(*events):
    return replace(QUIET, events=events)


def good(here, names):
    return all(here.quality(name) is Quality.GOOD for name in names)


@pytest.fixture
def unanswered():
    """A port where the kernel answers no SYN: its queue of connections is full and nobody takes any."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(server.getsockname())
            waiting.append(one)
        yield server.getsockname()[1]
        for one in waiting:
            one.close()


async def test_d1_d2_who_does_not_answer_or_refuses_is_told_at_once_and_holds_nobody_up(site, unanswered):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, not listening: refused
        absent = {"BESS1": unanswered, "ALK1": closed.getsockname()[1]}
        async with site(absent=absent, settle=False) as here:
            await here.until(lambda s: good(here, OTHERS), 30)
            await here.until(lambda s: here.alarm("silent:BESS1") and here.alarm("silent:ALK1"), 12)
            links = here.field.links()
            assert here.seen[-1].readings["BESS1"].quality is Quality.BAD
            assert "nobody accepts a connection" in links["BESS1"].reason
            assert "refused" in links["ALK1"].reason
            start_s, before = here.clock.true_s(), links["ALK1"].connects
            await here.cycles(8)
            tries = here.field.links()["ALK1"].connects - before
            assert tries <= (here.clock.true_s() - start_s) / 0.05, "with pauses in between"
            assert good(here, OTHERS)
            assert here.seen[-1].missed_ticks == 0


async def test_d3_who_accepts_and_never_answers_is_bad_and_its_queue_does_not_grow(site):
    async with site(scenario=scripted(Silence(endpoint="BESS1", **ALWAYS)), settle=False) as here:
        await here.until(lambda s: good(here, OTHERS), 30)
        await here.until(lambda s: here.alarm("silent:BESS1"), 12)
        unit = here.field._units["BESS1"]
        for _ in range(8):
            await here.cycles(1)
            assert unit.job is None, "no command waits for it"
        link = here.field.links()["BESS1"]
        assert (link.state is not LinkState.CLOSED, link.wrong, link.refused) == (True, 0, 0)
        assert link.reason == "no answer in time"
        assert here.listeners["BESS1"].served.requests <= link.connects, "one question per connection"
        assert good(here, OTHERS)


async def test_d4_who_accepts_and_hangs_up_is_tried_once_a_second(site):
    times = []

    async def slam(reader, writer):
        times.append(here.clock.true_s())
        writer.close()

    server = await asyncio.start_server(slam, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with site(absent={"BESS1": port}, settle=False) as here:
        await here.until(lambda s: good(here, OTHERS), 30)
        await here.until(lambda s: len(times) >= 4, 40)
        # the first may be taken before the connect returns
        assert all(b - a >= 0.95 for a, b in pairwise(times))
        assert here.alarm("silent:BESS1")
        assert "closed" in here.field.links()["BESS1"].reason
    server.close()


async def test_d5_who_answers_slowly_is_not_fresh_and_a_shed_does_not_wait(site):
    slow = tuple(Slow(endpoint=name, latency_s=2.0, at_min=0.05, for_min=600.0) for name in ("BESS1", "WF"))
    async with site(scenario=scripted(*slow)) as here:
        await here.until(lambda s: here.alarm("silent:BESS1") and here.alarm("silent:WF"), 40)
        expiry = here.clock.plant_now() + timedelta(seconds=60)
        report = await here.control.take(ShedOrder(id="s", mw=15.0, drill=True, expires_at=expiry))
        assert report.ok
        assert report.last_ack_ms < 500
        assert good(here, ("PV", "TIE", "LD_ZN"))
        assert here.seen[-1].readings["BESS1"].age_s > 0


LIARS = {
    "short": "WF",
    "other_function": "PV",
    "wrong_count": "DPV",
    "tid_0": "CAES1",
    "stale_tid": "BESS1",
    "other_unit": "ALK1",
}


async def test_d8_d9_d10_wrong_answers_are_discarded_counted_and_bad(site):
    """D8: short, another function, another count. D9: transaction 0 or an old one. D10: another unit."""
    reads = (Garbles(endpoint=name, how=how, **ALWAYS) for how, name in LIARS.items())
    echo = Garbles(endpoint="H2S", how="wrong_echo", on="write", **ALWAYS)
    async with site(scenario=scripted(*reads, echo), settle=False) as here:
        await here.until(lambda s: good(here, ("TIE", "LD_ZN")), 30)
        await here.until(lambda s: all(here.alarm(f"silent:{n}") for n in LIARS.values()), 20)
        await here.until(lambda s: here.alarm("write:H2S"), 20)
        assert "answered its command wrongly" in here.alarm("write:H2S")
        links = here.field.links()
        for name in LIARS.values():
            assert here.quality(name) is Quality.BAD
            assert not here.seen[-1].readings[name].values
            assert links[name].wrong > 0, "counted as wrong, not as silent or refused"
            assert (links[name].timeouts, links[name].refused) == (0, 0)
            assert links[name].reason
        assert good(here, ("TIE", "LD_ZN"))


async def test_d24_a_device_that_takes_one_connection_is_held_by_one(site):
    events = (Crowded(endpoint=name, connections=1, **ALWAYS) for name in ("BESS1", "LD_ZN"))
    async with site(scenario=scripted(*events), settle=False) as here:
        await here.until(lambda s: good(here, here.rig.endpoints), 40)
        before = {name: here.field.links()[name].connects for name in ("BESS1", "LD_ZN")}
        turned_away = here.listeners["LD_ZN"].served.turned_away
        start_s = here.clock.true_s()
        await here.cycles(8)
        assert {name: here.field.links()[name].connects for name in before} == before
        assert here.listeners["BESS1"].served.turned_away == 0, "one owner, one connection"
        tries = here.listeners["LD_ZN"].served.turned_away - turned_away
        assert tries <= 1 + (here.clock.true_s() - start_s), "the shed lane asks once a second at most"
        expiry = here.clock.plant_now() + timedelta(seconds=60)
        report = await here.control.take(ShedOrder(id="s", mw=10.0, drill=True, expires_at=expiry))
        assert report.ok, "a shed goes over the connection that stands"
        assert [t.load for t in report.targets if t.outcome == "acknowledged"] == ["LD_ZN"]
