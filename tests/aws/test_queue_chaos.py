"""The queues over SQS while messages come twice, leases are lost, AWS fails, and marks vanish."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import pytest
from aiohttp import web

from app.domain.errors import Retryable
from app.ports import LeaseLost
from infra.aws.clients import Clients
from infra.aws.events import SqsEventQueue, SqsLease
from infra.aws.jobs import SqsJobQueue
from tests.aws.faulty import Forward, Proxy, cut, fail, faulty, lose, refusal, throttle
from tests.aws.queues import LEASE_SECONDS, Place, clients_at, envelope, job, new_place
from tests.aws.stack import Stack

GROUPS = [f"repository:1/{number}" for number in range(4)]
NAMES = [f"d-{number}" for number in range(5)]
ALL = dict.fromkeys(GROUPS, NAMES)
STEPS = 2000
T = TypeVar("T")


@pytest.fixture(scope="module")
def clients(stack: Stack) -> Iterator[Clients]:
    with stack.clients() as made:
        yield made


@pytest.fixture
async def place(stack: Stack, clients: Clients) -> AsyncIterator[Place]:
    async with new_place(stack, clients) as made:
        yield made


@pytest.fixture
async def proxy(stack: Stack) -> AsyncIterator[Proxy]:
    async with faulty(stack.endpoint) as made:
        yield made


@asynccontextmanager
async def behind(proxy: Proxy) -> AsyncIterator[Clients]:
    clients = clients_at(proxy.endpoint)
    yield clients
    clients.close()


async def send_all(queue: SqsEventQueue) -> None:
    for name in NAMES:
        await asyncio.gather(*(queue.send(envelope(name, group)) for group in GROUPS))


def by_group(handled: list[tuple[str, str]]) -> dict[str, list[str]]:
    return {group: [name for where, name in handled if where == group] for group in GROUPS}


async def refuse(request: web.Request, _forward: Forward) -> web.StreamResponse:
    """Refuse for now, in a word that boto3 knows nothing better about than to tell us."""
    if "X-Amz-Target" in request.headers:
        return refusal(400, "OverLimit")
    return web.Response(text="<Error><Code>OverLimit</Code></Error>", status=400, content_type="application/xml")


async def insist(deed: Callable[[], Awaitable[T]]) -> T:
    """Do it again until AWS lets it be done."""
    for _ in range(20):
        try:
            return await deed()
        except Retryable:
            continue
    raise AssertionError("AWS never let it be done")


# Deliveries that come twice


async def test_what_many_send_many_times_is_handled_once_and_in_order(place: Place) -> None:
    handled, queue = list[tuple[str, str]](), place.events()

    async def work() -> None:
        while len(handled) < len(GROUPS) * len(NAMES) and (lease := await queue.receive(10)):
            handled.append((lease.item.group, lease.item.id))
            await lease.ack()
        queue.stop()

    async with asyncio.timeout(60):
        await asyncio.gather(*(work() for _ in range(3)), *(send_all(place.events()) for _ in range(3)))
    await send_all(place.events())
    assert (by_group(handled), await queue.depth()) == (ALL, 0)


async def test_a_job_that_is_sent_again_and_again_is_there_once(place: Place) -> None:
    queue = place.jobs()
    assert [await queue.send(job()) for _ in range(5)] == [True] + [False] * 4
    lease = await queue.receive(5)
    assert [await place.jobs().send(job()) for _ in range(2)] == [False] * 2
    assert lease is not None
    await lease.ack()
    assert (await queue.depth(), await place.keys("jobs/")) == (0, [])


# Leases that are lost


@pytest.mark.parametrize("seed", range(2))
async def test_every_envelope_is_handled_once_and_in_order_whatever_becomes_of_its_leases(
    place: Place, stack: Stack, seed: int
) -> None:
    chance, queues = random.Random(seed), [place.events() for _ in range(3)]
    handled, lost = list[tuple[str, str]](), list[SqsLease]()
    await send_all(queues[0])
    for _ in range(STEPS):
        lease = await chance.choice(queues).receive(0)
        if lease is None:
            if not await queues[0].depth():
                break
            stack.pass_time(LEASE_SECONDS)
        elif await _try(chance.choice(["ack", "ack", "release", "fail", "die", "dawdle"]), lease, stack):
            handled.append((lease.item.group, lease.item.id))
        else:
            lost.append(lease)
        if lost:
            with pytest.raises(LeaseLost):
                await _late(chance.choice(lost), stack, chance)
    assert (by_group(handled), await queues[0].dead_letters()) == (ALL, [])


async def _try(deed: str, lease: SqsLease, stack: Stack) -> bool:
    """Do something with a lease; return whether its envelope was handled."""
    match deed:
        case "ack":
            await lease.ack()
        case "fail" if lease.failures < 2:
            await lease.fail("broken", 1)
        case "dawdle":
            stack.pass_time(LEASE_SECONDS)
            with pytest.raises(LeaseLost):
                await lease.ack()
        case "die":
            stack.pass_time(LEASE_SECONDS)
        case _:
            await lease.release()
    return lease.acked


async def _late(lease: SqsLease, stack: Stack, chance: random.Random) -> None:
    """Do something with a lease that was lost."""
    match chance.choice(["ack", "release", "bury", "extend"]):
        case "ack":
            await lease.ack()
        case "release":
            await lease.release()
        case "bury":
            await lease.bury("late")
        case _:
            await lease.extend(LEASE_SECONDS)


async def test_a_handle_that_aws_refuses_changes_nothing(place: Place, stack: Stack) -> None:
    """The clock of this lease is late: only AWS knows that its time is over."""
    queue = place.events()
    await queue.send(envelope())
    stale = await queue.receive(5)
    assert stale is not None
    stack.pass_time(LEASE_SECONDS)
    current = await queue.receive(5)
    assert current is not None
    stale.held.until = stack.now().replace(year=2100)
    for use in (stale.ack, stale.release, lambda: stale.fail("late"), lambda: stale.bury("late")):
        with pytest.raises(LeaseLost):
            await use()
    await current.release()
    again = await queue.receive(5)
    assert again is not None
    assert (again.failures, await queue.dead_letters()) == (0, [])


async def test_a_job_whose_handle_aws_refuses_is_neither_doubled_nor_set_aside(place: Place, stack: Stack) -> None:
    queue = place.jobs()
    await queue.send(job())
    stale = await queue.receive(5)
    assert stale is not None
    stack.pass_time(LEASE_SECONDS)
    assert await queue.receive(5) is not None
    stale.held.until = stack.now().replace(year=2100)
    for use in (lambda: stale.fail("late"), lambda: stale.bury("late"), lambda: stale.extend(5)):
        with pytest.raises(LeaseLost):
            await use()
    assert (await queue.depth(), await queue.dead_letters()) == (1, [])


async def test_the_late_end_of_a_job_leaves_its_mark(place: Place, stack: Stack) -> None:
    queue = place.jobs()
    await queue.send(job())
    stale = await queue.receive(5)
    assert stale is not None
    stack.pass_time(LEASE_SECONDS)
    with pytest.raises(LeaseLost):
        await stale.ack()
    assert not await queue.send(job())


async def test_what_somebody_else_holds_by_now_is_not_set_aside_though_unreadable(place: Place, stack: Stack) -> None:
    queue = place.events()
    text: dict[str, Any] = {"MessageBody": "no envelope", "MessageGroupId": "group", "MessageDeduplicationId": "a"}
    await place.clients.call("sqs", "send_message", QueueUrl=place.events_address, **text)
    stale = await place.received(place.events_address)
    stack.pass_time(LEASE_SECONDS)
    await place.received(place.events_address)
    assert await queue.lease_of(stale) is None
    assert (await queue.dead_letters(), await queue.depth()) == ([], 1)


async def test_receives_that_are_cancelled_lose_nothing(place: Place) -> None:
    queue, handled = place.events(), list[tuple[str, str]]()
    await send_all(queue)
    for number in range(10):
        receiving = asyncio.create_task(queue.receive(5))
        await asyncio.sleep(0.002 * number)
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
        if not receiving.cancelled() and (lease := receiving.result()):
            await lease.release()
    while len(handled) < len(GROUPS) * len(NAMES) and (lease := await queue.receive(5)):
        handled.append((lease.item.group, lease.item.id))
        await lease.ack()
    assert by_group(handled) == ALL


# AWS that fails


async def test_throttled_and_failing_queues_lose_and_double_nothing(place: Place, proxy: Proxy, stack: Stack) -> None:
    handled = list[tuple[str, str]]()
    async with behind(proxy) as clients, asyncio.timeout(100):
        queue = place.events(clients)
        proxy.every(4, throttle, fail, cut, lose)
        for group in GROUPS:
            await insist(partial(queue.send, envelope("a", group)))
        while len(handled) < len(GROUPS):
            if lease := await insist(partial(queue.receive, 0)):
                await _handled(lease, handled)
            else:  # AWS gave something to nobody, for its answer was lost
                stack.pass_time(LEASE_SECONDS)
    left = await place.events().depth()
    assert (Counter(handled), left) == (Counter((group, "a") for group in GROUPS), 0)
    assert proxy.befell.total() > 2


async def _handled(lease: SqsLease, handled: list[tuple[str, str]]) -> None:
    """Acknowledge; where the answer was lost, AWS knows the handle no more."""
    try:
        await insist(lease.ack)
    except LeaseLost:
        assert not await lease.queue.objects.keys("dead/")
    handled.append((lease.item.group, lease.item.id))


async def test_a_job_is_sent_though_its_mark_cannot_be_written(place: Place, proxy: Proxy) -> None:
    puts = 0

    async def fail_later(request: web.Request, forward: Forward) -> web.StreamResponse:
        nonlocal puts
        puts += 1
        return await forward() if puts == 1 else await refuse(request, forward)

    async with behind(proxy) as clients:
        proxy.every(1, fail_later, of="PUT")
        assert await place.jobs(clients).send(job())
    assert await place.jobs().depth() == 1


async def test_a_job_that_could_not_be_sent_is_no_job_that_is_there(place: Place, proxy: Proxy) -> None:
    async with behind(proxy) as clients:
        queue = place.jobs(clients)
        proxy.every(1, refuse, of="SendMessage")
        with pytest.raises(Retryable):
            await queue.send(job())
        proxy.heal()
        assert await queue.send(job())
    assert await place.jobs().depth() == 1


async def test_a_job_stays_until_its_mark_is_off(place: Place, proxy: Proxy) -> None:
    await place.jobs().send(job())
    async with behind(proxy) as clients:
        lease = await place.jobs(clients).receive(5)
        assert lease is not None
        proxy.every(1, refuse, of="DELETE")
        with pytest.raises(Retryable):
            await lease.ack()
        proxy.heal()
        await lease.ack()
    assert (await place.jobs().depth(), await place.keys("jobs/")) == (0, [])


async def test_a_heart_beats_on_though_no_mark_can_be_written(place: Place, proxy: Proxy, stack: Stack) -> None:
    await place.jobs().send(job())
    async with behind(proxy) as clients:
        lease = await place.jobs(clients).receive(5)
        assert lease is not None
        await lease.extend(1000)
        stack.pass_time(900)
        proxy.every(1, refuse, of="PUT")
        await lease.extend(1000)
        proxy.heal()
        stack.pass_time(900)
        await lease.ack()
    assert await place.jobs().depth() == 0


# Marks that vanish


async def test_without_marks_a_job_may_come_twice_and_is_never_lost(place: Place) -> None:
    queue = place.jobs()
    await queue.send(job())
    await place.forget("jobs/")
    assert await queue.send(job())
    await place.forget("jobs/")
    first, second = await queue.receive(5), await queue.receive(5)
    assert first is not None
    assert second is not None
    assert first.item == second.item
    await first.ack()
    await second.ack()
    assert (await queue.depth(), await place.keys("jobs/")) == (0, [])


@pytest.mark.parametrize("seed", range(2))
async def test_every_job_is_done_whatever_becomes_of_marks_and_runners(place: Place, stack: Stack, seed: int) -> None:
    chance, queues = random.Random(seed), [place.jobs() for _ in range(3)]
    wanted, done = set(range(6)), Counter[int]()
    for _ in range(STEPS):
        for number in wanted - set(done):  # whoever wants them done asks again and again
            if chance.random() < 0.3:
                await chance.choice(queues).send(job(number))
        if chance.random() < 0.3:
            await place.forget("jobs/")
        did = await _work(chance.choice(queues), chance.choice(["ack", "fail", "die", "release"]), stack)
        done.update([] if did is None else [did])
        if set(done) == wanted and not await queues[0].depth():
            break
    assert set(done) == wanted
    assert (await queues[0].depth(), await queues[0].dead_letters()) == (0, [])


async def _work(queue: SqsJobQueue, deed: str, stack: Stack) -> int | None:
    """Do something with a job if there is one; return its number if it was done."""
    lease = await queue.receive(0)
    if lease is None:
        return None
    match deed:
        case "ack":
            await lease.ack()
            return lease.item.task.number
        case "fail" if lease.failures < 2:
            await lease.fail("broken")
        case "die":
            stack.pass_time(LEASE_SECONDS)
        case _:
            await lease.release()
    return None
