"""What every events queue does."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.envelope import DeadLetter, Envelope, Source
from app.ports import Backlog, EventQueue, Lease, LeaseLost
from tests.contract.conftest import Rig

DEDUPE_SECONDS = 300
SOON = 60.0

EventLease = Lease[Envelope]

USES: dict[str, Callable[[EventLease], Awaitable[object]]] = {
    "extend": lambda lease: lease.extend(5),
    "ack": lambda lease: lease.ack(),
    "release": lambda lease: lease.release(5),
    "fail": lambda lease: lease.fail("broken", 5),
    "bury": lambda lease: lease.bury("broken"),
}
ENDS = {name: use for name, use in USES.items() if name != "extend"}

each_use = pytest.mark.parametrize("use", USES.values(), ids=USES)
each_end = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)


def envelope(name: str, group: str = "repository:1/1", not_before: datetime | None = None) -> Envelope:
    return Envelope(
        id=name,
        group=group,
        source=Source.GITHUB,
        name="issues",
        body=bytes(range(256)),
        received_at=datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC),
        not_before=not_before,
    )


async def send(queue: EventQueue, *names: str, group: str = "repository:1/1") -> None:
    for name in names:
        assert await queue.send(envelope(name, group))


async def receive(queue: EventQueue) -> EventLease:
    """Receive what must be there."""
    async with asyncio.timeout(SOON):
        lease = await queue.receive(5)
    assert lease is not None
    return lease


async def send_again(rig: Rig, name: str) -> None:
    """Send what was taken before; not every queue can tell."""
    assert await rig.events.send(envelope(name)) is not rig.remembers


async def let_be_forgotten(rig: Rig) -> None:
    """Let the ids of dead letters be forgotten, where that takes time."""
    if not rig.remembers:
        await rig.pass_time(DEDUPE_SECONDS)


async def require_backlog(rig: Rig, waiting: int, in_flight: int, later: int) -> None:
    """Compare what is counted with what there is, as far as the queue can tell it."""
    found, expected = await rig.events.backlog(), Backlog(waiting, in_flight, later)
    assert found == expected if rig.remembers else _sum(found) == _sum(expected)


def _sum(backlog: Backlog) -> int:
    return backlog.waiting + backlog.in_flight + backlog.later


async def drain(queue: EventQueue) -> list[str]:
    """Receive and acknowledge all that is available; return the ids in order."""
    ids = []
    while lease := await queue.receive(0):
        ids.append(lease.item.id)
        await lease.ack()
    return ids


async def test_what_was_sent_is_received_unchanged(rig: Rig) -> None:
    await send(rig.events, "a")
    lease = await receive(rig.events)
    assert (lease.item, lease.failures, lease.receives) == (envelope("a"), 0, 1)


async def test_an_empty_queue_gives_nothing(rig: Rig) -> None:
    assert await rig.events.receive(0) is None


async def test_a_group_is_received_in_order(rig: Rig) -> None:
    await send(rig.events, "c", "a", "b")
    assert await drain(rig.events) == ["c", "a", "b"]


async def test_a_group_has_one_in_flight(rig: Rig) -> None:
    await send(rig.events, "a", "b")
    await receive(rig.events)
    assert await rig.events.receive(0) is None


async def test_groups_do_not_wait_for_each_other(rig: Rig) -> None:
    await send(rig.events, "a", "b")
    await send(rig.events, "c", group="repository:1/2")
    ids = {(await receive(rig.events)).item.id, (await receive(rig.events)).item.id}
    assert (ids, await rig.events.receive(0)) == ({"a", "c"}, None)


async def test_depth_counts_what_waits_and_what_is_in_flight(rig: Rig) -> None:
    await send(rig.events, "a", "b")
    lease = await receive(rig.events)
    assert await rig.events.depth() == 2
    await lease.ack()
    assert await rig.events.depth() == 1


async def test_the_backlog_says_what_waits_what_is_in_flight_and_what_is_due_later(rig: Rig) -> None:
    await require_backlog(rig, 0, 0, 0)
    await send(rig.events, "a", "b")
    await send(rig.events, "c", group="repository:1/2")
    await rig.events.send(envelope("d", "later/d", rig.now() + timedelta(seconds=60)))
    lease = await receive(rig.events)
    await require_backlog(rig, waiting=2, in_flight=1, later=1)
    await lease.release(20)
    await require_backlog(rig, waiting=1, in_flight=0, later=3)
    await rig.pass_time(21)
    await require_backlog(rig, waiting=3, in_flight=0, later=1)


# Sent before


async def test_one_that_waits_is_not_taken_again(rig: Rig) -> None:
    await send(rig.events, "a")
    await send_again(rig, "a")
    assert await drain(rig.events) == ["a"]


async def test_one_in_flight_is_not_taken_again(rig: Rig) -> None:
    await send(rig.events, "a")
    await receive(rig.events)
    await send_again(rig, "a")
    assert await rig.events.depth() == 1


async def test_one_accepted_within_five_minutes_is_not_taken_again_though_acknowledged(rig: Rig) -> None:
    await send(rig.events, "a")
    await drain(rig.events)
    await rig.pass_time(DEDUPE_SECONDS - rig.slack)
    await send_again(rig, "a")
    assert await rig.events.depth() == 0


async def test_one_acknowledged_is_taken_again_after_five_minutes(rig: Rig) -> None:
    await send(rig.events, "a")
    await drain(rig.events)
    await rig.pass_time(DEDUPE_SECONDS)
    await send(rig.events, "a")
    assert await rig.events.depth() == 1


async def test_one_that_waits_longer_than_five_minutes_is_not_taken_again_by_a_queue_that_remembers(rig: Rig) -> None:
    await send(rig.events, "a")
    await rig.pass_time(2 * DEDUPE_SECONDS)
    await send_again(rig, "a")
    assert await drain(rig.events) == (["a"] if rig.remembers else ["a", "a"])


async def test_a_refused_one_does_not_lengthen_the_five_minutes(rig: Rig) -> None:
    await send(rig.events, "a")
    await drain(rig.events)
    await rig.pass_time(DEDUPE_SECONDS - rig.slack)
    await send_again(rig, "a")
    await rig.pass_time(rig.slack)
    await send(rig.events, "a")
    assert await rig.events.depth() == 1


async def test_the_same_id_is_taken_in_another_group(rig: Rig) -> None:
    await send(rig.events, "a")
    assert await rig.events.send(envelope("a", group="repository:1/2"))
    assert await rig.events.depth() == 2


async def test_one_dead_lettered_is_taken_again(rig: Rig) -> None:
    await send(rig.events, "a")
    await (await receive(rig.events)).bury("broken")
    await let_be_forgotten(rig)
    await send(rig.events, "a")
    assert await drain(rig.events) == ["a"]


# Waiting


async def test_a_receive_that_waits_gets_what_is_sent_meanwhile(rig: Rig) -> None:
    waiting = asyncio.create_task(receive(rig.events))
    await asyncio.sleep(0)
    await send(rig.events, "a")
    assert (await waiting).item.id == "a"


async def test_a_receive_that_waits_gets_the_next_of_a_group_when_the_one_before_is_gone(rig: Rig) -> None:
    await send(rig.events, "a", "b")
    lease = await receive(rig.events)
    waiting = asyncio.create_task(receive(rig.events))
    await asyncio.sleep(0)
    await lease.ack()
    assert (await waiting).item.id == "b"


async def test_a_receive_that_waits_gets_what_falls_due_meanwhile(rig: Rig) -> None:
    await send(rig.events, "a")
    await (await receive(rig.events)).release(1)
    waiting = asyncio.create_task(rig.events.receive(20))
    await asyncio.sleep(0)
    await rig.pass_time(1)
    lease = await waiting
    assert lease is not None
    assert lease.item.id == "a"


async def test_a_receive_gives_up_when_its_time_is_over(rig: Rig) -> None:
    waiting = asyncio.create_task(rig.events.receive(1))
    await asyncio.sleep(0)
    await rig.pass_time(1.5)
    async with asyncio.timeout(SOON):
        assert await waiting is None


async def test_each_of_many_who_wait_gets_one(rig: Rig) -> None:
    waiting = [asyncio.create_task(receive(rig.events)) for _ in range(5)]
    await asyncio.sleep(0)
    for number in range(5):
        await send(rig.events, "a", group=f"repository:1/{number}")
    leases = await asyncio.gather(*waiting)
    assert sorted(lease.item.group for lease in leases) == [f"repository:1/{number}" for number in range(5)]


async def test_a_cancelled_receive_holds_nothing(rig: Rig) -> None:
    await send(rig.events, "a")
    cancelled = asyncio.create_task(rig.events.receive(1))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert (await receive(rig.events)).item.id == "a"


async def test_an_envelope_waits_until_its_time(rig: Rig) -> None:
    await rig.events.send(envelope("a", not_before=rig.now() + timedelta(seconds=2 * rig.slack)))
    await rig.pass_time(rig.slack)
    assert await rig.events.receive(0) is None
    await rig.pass_time(rig.slack)
    assert (await receive(rig.events)).item.id == "a"


async def test_an_envelope_whose_time_has_passed_does_not_wait(rig: Rig) -> None:
    await rig.events.send(envelope("a", not_before=rig.now() - timedelta(seconds=5)))
    assert (await receive(rig.events)).item.id == "a"


# Leases


async def test_what_is_not_acknowledged_comes_again_before_its_followers(rig: Rig) -> None:
    await send(rig.events, "a", "b")
    await receive(rig.events)
    await rig.pass_time(rig.lease_seconds)
    again = await receive(rig.events)
    assert (again.item.id, again.failures, again.receives) == ("a", 0, 2)


async def test_a_lease_lasts_its_time(rig: Rig) -> None:
    await send(rig.events, "a")
    lease = await receive(rig.events)
    await rig.pass_time(rig.lease_seconds - rig.slack)
    assert await rig.events.receive(0) is None
    await lease.ack()
    assert await rig.events.depth() == 0


async def test_a_lease_is_extended_from_now(rig: Rig) -> None:
    await send(rig.events, "a")
    lease = await receive(rig.events)
    await rig.pass_time(rig.lease_seconds - rig.slack)
    await lease.extend(2 * rig.slack)
    await rig.pass_time(rig.slack)
    assert await rig.events.receive(0) is None
    await rig.pass_time(rig.slack)
    assert (await receive(rig.events)).item.id == "a"


async def test_a_lease_may_be_extended_again_and_then_used(rig: Rig) -> None:
    await send(rig.events, "a")
    lease = await receive(rig.events)
    for _ in range(3):
        await rig.pass_time(rig.lease_seconds - rig.slack)
        await lease.extend(rig.lease_seconds)
    await lease.ack()
    assert await rig.events.depth() == 0


async def test_a_released_one_comes_again_before_its_followers_and_has_not_failed(rig: Rig) -> None:
    await send(rig.events, "a", "b")
    await (await receive(rig.events)).release()
    again = await receive(rig.events)
    assert (again.item.id, again.failures, again.receives) == ("a", 0, 2)


async def test_a_group_waits_with_one_released_for_later(rig: Rig) -> None:
    await send(rig.events, "a", "b")
    await (await receive(rig.events)).release(2 * rig.slack)
    await rig.pass_time(rig.slack)
    assert await rig.events.receive(0) is None
    await rig.pass_time(rig.slack)
    assert await drain(rig.events) == ["a", "b"]


async def test_other_groups_go_on_while_one_waits(rig: Rig) -> None:
    await send(rig.events, "a")
    await send(rig.events, "b", group="repository:1/2")
    await (await receive(rig.events)).release(rig.slack)
    assert await drain(rig.events) == ["b"]


async def test_any_number_of_releases_is_no_failure(rig: Rig) -> None:
    await send(rig.events, "a")
    for _ in range(rig.max_failures + 1):
        await (await receive(rig.events)).release()
    lease = await receive(rig.events)
    assert (lease.failures, lease.receives) == (0, rig.max_failures + 2)


async def test_failures_are_counted_apart_from_receives(rig: Rig) -> None:
    await send(rig.events, "a", "b")
    assert not await (await receive(rig.events)).fail("broken")
    await (await receive(rig.events)).release()
    lease = await receive(rig.events)
    assert (lease.item.id, lease.failures, lease.receives) == ("a", 1, 3)


async def test_counts_belong_to_one_message_of_the_group(rig: Rig) -> None:
    await send(rig.events, "a", "b")
    await (await receive(rig.events)).fail("broken")
    await (await receive(rig.events)).ack()
    lease = await receive(rig.events)
    assert (lease.item.id, lease.failures, lease.receives) == ("b", 0, 1)


async def test_a_failed_one_waits_for_its_delay(rig: Rig) -> None:
    await send(rig.events, "a", "b")
    await (await receive(rig.events)).fail("broken", 2 * rig.slack)
    await rig.pass_time(rig.slack)
    assert await rig.events.receive(0) is None
    await rig.pass_time(rig.slack)
    assert await drain(rig.events) == ["a", "b"]


@each_use
async def test_an_expired_lease_is_lost(rig: Rig, use: Callable[[EventLease], Awaitable[object]]) -> None:
    await send(rig.events, "a")
    lease = await receive(rig.events)
    await rig.pass_time(rig.lease_seconds)
    with pytest.raises(LeaseLost):
        await use(lease)
    assert (await rig.events.dead_letters(), await drain(rig.events)) == ([], ["a"])


@each_use
async def test_an_expired_lease_changes_nothing_for_the_next_holder(
    rig: Rig, use: Callable[[EventLease], Awaitable[object]]
) -> None:
    await send(rig.events, "a", "b")
    stale = await receive(rig.events)
    await rig.pass_time(rig.lease_seconds)
    current = await receive(rig.events)
    with pytest.raises(LeaseLost):
        await use(stale)
    assert await rig.events.receive(0) is None
    await current.ack()
    assert (await rig.events.dead_letters(), await drain(rig.events)) == ([], ["b"])


@each_use
@each_end
async def test_a_lease_that_was_ended_is_lost(
    rig: Rig, end: Callable[[EventLease], Awaitable[object]], use: Callable[[EventLease], Awaitable[object]]
) -> None:
    await send(rig.events, "a")
    lease = await receive(rig.events)
    await end(lease)
    with pytest.raises(LeaseLost):
        await use(lease)


# Dead letters


async def test_the_last_failure_dead_letters_and_the_group_goes_on(rig: Rig) -> None:
    await send(rig.events, "a", "b")
    buried = [await (await receive(rig.events)).fail(f"broken {n}") for n in range(rig.max_failures)]
    assert buried == [False] * (rig.max_failures - 1) + [True]
    assert await drain(rig.events) == ["b"]


async def test_a_dead_letter_tells_reason_failures_and_time(rig: Rig) -> None:
    await send(rig.events, "a")
    for number in range(rig.max_failures):
        await (await receive(rig.events)).fail(f"broken {number}")
    (letter,) = await rig.events.dead_letters()
    last = f"broken {rig.max_failures - 1}"
    assert letter == DeadLetter(envelope=envelope("a"), reason=last, failures=rig.max_failures, died_at=letter.died_at)
    assert abs(letter.died_at - rig.now()) < timedelta(seconds=5)


async def test_a_buried_one_is_dead_at_once_and_the_group_goes_on(rig: Rig) -> None:
    await send(rig.events, "a", "b")
    await (await receive(rig.events)).bury("not JSON")
    (letter,) = await rig.events.dead_letters()
    assert (letter.envelope, letter.reason, letter.failures) == (envelope("a"), "not JSON", 0)
    assert (await rig.events.depth(), await drain(rig.events)) == (1, ["b"])


async def test_a_redriven_one_goes_to_the_end_of_its_group_with_no_failures(rig: Rig) -> None:
    await send(rig.events, "a", "b")
    await (await receive(rig.events)).fail("broken")
    await (await receive(rig.events)).bury("broken")
    assert await rig.events.redrive("a")
    await (await receive(rig.events)).ack()
    lease = await receive(rig.events)
    assert (lease.item, lease.failures, lease.receives) == (envelope("a"), 0, 1)
    assert await rig.events.dead_letters() == []


async def test_an_unknown_dead_letter_is_not_redriven(rig: Rig) -> None:
    await send(rig.events, "a")
    assert not await rig.events.redrive("a")
    assert await rig.events.depth() == 1


async def test_a_dead_letter_that_was_sent_again_is_not_doubled_by_a_redrive_of_a_queue_that_remembers(
    rig: Rig,
) -> None:
    await send(rig.events, "a")
    await (await receive(rig.events)).bury("broken")
    await let_be_forgotten(rig)
    await send(rig.events, "a")
    assert await rig.events.redrive("a")
    expected = ["a"] if rig.remembers else ["a", "a"]
    assert (await drain(rig.events), await rig.events.dead_letters()) == (expected, [])


async def test_a_redriven_one_that_waits_is_not_taken_again(rig: Rig) -> None:
    await send(rig.events, "a")
    await (await receive(rig.events)).bury("broken")
    await rig.events.redrive("a")
    await send_again(rig, "a")
    assert await drain(rig.events) == ["a"]
