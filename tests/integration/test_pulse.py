"""The heartbeat of a run: what it tells, and what it makes of orders."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import cast

import pytest

from app.domain.grants import Order, Progress, Stop
from app.domain.instructions import Told
from app.domain.jobs import Job, run_job
from app.ports import Lease, LeaseLost, Runs
from infra.local.clock import SystemClock
from runner.pulse import Heart, Pulse, Verdict
from tests.integration.core_stage import TASK

JOB = run_job(TASK, 1)
FIRST = Told(key="c1", author="writer", text="More.")


@dataclass(slots=True)
class Rest:
    """What a heart beats against: it gives these orders in turn, or is not there."""

    orders: list[Order | Exception] = field(default_factory=list)
    heard: list[Progress] = field(default_factory=list)

    async def beat(self, run_id: str, job: Job, progress: Progress) -> Order:
        self.heard.append(progress)
        order = self.orders.pop(0) if self.orders else Order()
        if isinstance(order, Exception):
            raise order
        return order

    async def extend(self, seconds: float) -> None:
        return


@asynccontextmanager
async def beating(rest: Rest, every: float = 60) -> AsyncIterator[Pulse]:
    heart = Heart(cast(Runs, rest), SystemClock(), every, 10)
    async with heart.beating("r1", JOB, cast(Lease[Job], rest)) as pulse:
        await asyncio.sleep(0)
        yield pulse


async def test_a_beat_tells_step_cost_and_what_was_delivered() -> None:
    rest = Rest()
    async with beating(rest) as pulse:
        pulse.step, pulse.spent = "works", lambda: Decimal("0.5")
        pulse.inbox.delivered.append("c1")
        await pulse.look()
    assert rest.heard == [
        Progress(step="preparing"),
        Progress(step="works", delivered=("c1",), spent=Decimal("0.5")),
    ]


async def test_an_order_brings_what_the_agent_is_to_be_told() -> None:
    async with beating(Rest([Order(inbox=(FIRST,))])) as pulse:
        await asyncio.wait_for(pulse.inbox.arrived.wait(), 60)
        assert (pulse.inbox.waiting, pulse.verdict) == ((FIRST,), None)


@pytest.mark.parametrize(
    ("orders", "verdict", "stopped", "over"),
    [
        ([Order(stop=Stop.TURN)], Verdict.PAUSED, False, False),
        ([Order(stop=Stop.KEEP)], Verdict.KEPT, True, False),
        ([Order(stop=Stop.DROP)], Verdict.CANCELLED, True, True),
        ([Order(current=False)], Verdict.NOT_CURRENT, True, True),
        ([LeaseLost("gone")], Verdict.NOT_CURRENT, True, True),
        ([Order(stop=Stop.TURN), Order(stop=Stop.KEEP)], Verdict.KEPT, True, False),
        ([Order(stop=Stop.KEEP), Order(stop=Stop.TURN)], Verdict.KEPT, True, False),
        ([Order(stop=Stop.KEEP), ValueError("down"), Order(stop=Stop.DROP)], Verdict.CANCELLED, True, True),
    ],
)
async def test_the_sterner_order_stands(
    orders: list[Order | Exception], verdict: Verdict, stopped: bool, over: bool
) -> None:
    rest = Rest(list(orders))
    async with beating(rest) as pulse:
        while rest.orders:
            await pulse.look()
        assert (pulse.verdict, pulse.pausing.is_set(), pulse.stopped.is_set(), pulse.is_over) == (
            verdict,
            True,
            stopped,
            over,
        )


async def test_a_run_that_keeps_its_work_goes_on_beating() -> None:
    rest, fourth = Rest([Order(stop=Stop.KEEP)] * 3), Order(inbox=(FIRST,))
    rest.orders.append(fourth)
    async with beating(rest, every=0.01) as pulse:
        await asyncio.wait_for(pulse.inbox.arrived.wait(), 60)
        assert pulse.verdict is Verdict.KEPT


@pytest.mark.parametrize(
    ("orders", "verdict"),
    [
        ([], Verdict.LEAVING),
        ([Order(stop=Stop.TURN)], Verdict.PAUSED),
        ([Order(stop=Stop.KEEP)], Verdict.KEPT),
        ([Order(current=False)], Verdict.NOT_CURRENT),
    ],
)
async def test_a_runner_that_leaves_waits_for_no_turn_and_what_people_said_counts(
    orders: list[Order | Exception], verdict: Verdict
) -> None:
    for leaves_first in (True, False):
        rest = Rest(list(orders))
        async with beating(rest) as pulse:
            if leaves_first:
                pulse.leave()
            while rest.orders:
                await pulse.look()
            pulse.leave()
            assert (pulse.verdict, pulse.stopped.is_set()) == (verdict, True)
