"""Commands against a stand-in for control on a real socket."""

import asyncio
import math
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from vpp.clock import Schedule, monotonic_s
from vpp.errors import DeviceFailure, InvalidInput
from vpp.link import LinkServer, Message
from vpp.service import orders
from vpp.state_dir import RunSettings, StateDir
from vpp.types import DispatchOrder, Reply, RestoreOrder, ShedOrder, ShedReport

START = datetime(2026, 3, 17, 7, tzinfo=timezone.utc)


def report(order: ShedOrder, *, ok: bool) -> ShedReport:
    return ShedReport(
        order_id=order.id,
        at=START,
        rate=1.0,
        drill=order.drill,
        ordered_mw=order.mw,
        armed_mw=40.0,
        selected_mw=22.0,
        metered_cut_mw=21.0,
        over_cut_mw=1.0,
        targets=(),
        decision_ms=0.4,
        first_write_ms=0.9,
        last_ack_ms=4.0,
        metered_ms=800.0,
        ok=ok,
        text="",
    )


class Control:
    """Answers like control; keeps what came."""

    def __init__(self) -> None:
        self.came: list[Message] = []

    async def take(self, message: Message) -> Message:
        self.came.append(message)
        if isinstance(message, ShedOrder):
            return (
                report(message, ok=True)
                if message.mw < 30
                else Reply(id=message.id, accepted=False, reason="armed")
            )
        return Reply(id=getattr(message, "id", ""), accepted=True, reason="")


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    folder = StateDir(tmp_path)
    folder.prepare()
    schedule = Schedule(origin_true_s=monotonic_s(), segments=((START, 60.0),))
    folder.write_settings(
        RunSettings(park="small10", schedule=schedule, seed=1, port_base=None, simulated=True, scenario=None)
    )
    return folder


async def test_commands_carry_an_expiry_in_plant_time_and_are_answered(state: StateDir) -> None:
    control = Control()
    server = LinkServer(state.socket, control.take)
    await server.start()
    try:
        span = timedelta(minutes=30)
        limits = {"import_max_mw": 90.0, "export_max_mw": None}
        tie = orders.tie_order(state, span=span, **limits)
        assert (await asyncio.to_thread(orders.narrow_tie, state, tie)).accepted
        assert (await asyncio.to_thread(orders.restore, state, ())).accepted
        proof = await asyncio.to_thread(orders.shed, state, orders.shed_order(state, 20.0, drill=False))
        assert proof.ok
        with pytest.raises(InvalidInput, match="armed"):
            await asyncio.to_thread(orders.shed, state, orders.shed_order(state, 50.0, drill=True))
    finally:
        await server.stop()
    order, restore, shed, drill = control.came
    assert isinstance(order, DispatchOrder)
    assert order.end - order.start == span
    assert isinstance(restore, RestoreOrder)
    assert isinstance(shed, ShedOrder)
    assert isinstance(drill, ShedOrder)
    assert drill.drill
    lead_s = (order.expires_at - order.start).total_seconds()
    assert lead_s == pytest.approx(orders.EXPIRY_S * 60.0, rel=0.01)
    assert len({message.id for message in (order, restore, shed, drill)}) == 4


def test_a_command_for_a_dead_control_fails_at_once_in_words(state: StateDir) -> None:
    with pytest.raises(DeviceFailure, match="control does not answer"):
        orders.status(state)


def test_a_shed_report_names_every_stage() -> None:
    order = ShedOrder(id="shed-1", mw=20.0, drill=False, expires_at=START)
    text = "\n".join(orders.shed_lines(report(order, ok=False)))
    for word in (
        "shed shed-1 NOT REACHED",
        "ordered 20.0 MW",
        "decided 0.4 ms",
        "first write",
        "metered 800 ms",
    ):
        assert word in text


def test_a_drill_claims_no_metered_cut() -> None:
    order = ShedOrder(id="drill-1", mw=20.0, drill=True, expires_at=START)
    lines = orders.shed_lines(replace(report(order, ok=True), metered_ms=math.inf))
    assert lines[0].startswith("drill drill-1 PASSED")
    assert not [line for line in lines if "metered" in line or "inf" in line]
