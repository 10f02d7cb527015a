"""What the queues over SQS do beyond the contract of queues."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.ports import LeaseLost
from infra.aws.clients import Clients, RefusedByAws
from infra.aws.events import MOST_RECEIVES, SUSPECT, SqsEventQueue, SqsLease
from infra.aws.marks import GONE_AFTER, Marks
from infra.aws.messages import message_of
from infra.aws.sqs import LONGEST_HOLD, is_lost
from tests.aws.queues import LEASE_SECONDS, Place, envelope, job, new_place, record_of
from tests.aws.stack import Stack, StackClock

BIG = bytes(range(256)) * 4000
"""Larger than a message may be, and less so when it is compressed."""


@pytest.fixture(scope="module")
def clients(stack: Stack) -> Iterator[Clients]:
    with stack.clients() as made:
        yield made


@pytest.fixture
async def place(stack: Stack, clients: Clients) -> AsyncIterator[Place]:
    async with new_place(stack, clients) as made:
        yield made


async def received(queue: SqsEventQueue) -> SqsLease:
    lease = await queue.receive(5)
    assert lease is not None
    return lease


async def send_text(queue: SqsEventQueue, text: str) -> None:
    """Send what is no envelope, perhaps, into the group of those that are."""
    message: dict[str, Any] = {**message_of(envelope("bad")), "MessageBody": text}
    await queue.sqs.call("send_message", **message)


def random_body() -> bytes:
    """Return what no compression makes smaller."""
    return random.Random(7).randbytes(1_500_000)


# Messages that a Lambda function was called with


async def test_a_message_in_either_spelling_is_leased(place: Place) -> None:
    queue = place.events()
    await queue.send(envelope())
    message = await place.received(place.events_address)
    lease = await queue.lease_of(message)
    again = await queue.lease_of(record_of(message))
    assert lease is not None
    assert again is not None
    assert (lease.item, lease.receives, again.item, again.receives) == (envelope(), 1, envelope(), 1)


async def test_a_lease_knows_whether_its_message_is_off_the_queue(place: Place) -> None:
    queue = place.events()
    acked, released, failed, buried = [await _lease(place, queue, name) for name in "abcd"]
    await acked.ack()
    await released.release(1000)
    await failed.fail("broken", 1000)
    await buried.bury("broken")
    assert [lease.acked for lease in (acked, released, failed, buried)] == [True, False, False, True]


async def _lease(place: Place, queue: SqsEventQueue, name: str) -> SqsLease:
    await queue.send(envelope(name, f"group/{name}"))
    lease = await queue.lease_of(record_of(await place.received(place.events_address)))
    assert lease is not None
    return lease


async def test_what_comes_before_its_time_is_no_lease_until_then(place: Place, stack: Stack) -> None:
    queue = place.events()
    await queue.send(envelope(not_before=stack.now() + timedelta(seconds=100)))
    assert await queue.lease_of(record_of(await place.received(place.events_address))) is None
    stack.pass_time(80)
    assert await queue.receive(0) is None
    stack.pass_time(21)
    assert (await received(queue)).item.id == "a"


# Messages that are unusual


@pytest.mark.parametrize("name", ["a b", "\u00e4" * 70, "x" * 200, "d/1"])
async def test_names_of_any_kind_come_back_unchanged(place: Place, name: str) -> None:
    queue = place.events()
    await queue.send(envelope(name, name))
    lease = await received(queue)
    assert (lease.item.id, lease.item.group) == (name, name)
    await lease.bury("broken")
    assert await queue.redrive(name)
    assert (await received(queue)).item == lease.item


async def test_what_is_too_large_for_a_message_lies_in_the_bucket_until_it_is_acknowledged(place: Place) -> None:
    queue = place.events()
    sent = envelope(body=random_body())
    await queue.send(sent)
    lease = await received(queue)
    assert (lease.item, len(await place.keys("large/"))) == (sent, 1)
    await lease.ack()
    assert await place.keys("large/") == []


async def test_what_is_large_only_until_it_is_compressed_is_a_message(place: Place) -> None:
    queue = place.events()
    await queue.send(envelope(body=BIG))
    assert await place.keys("large/") == []
    assert (await received(queue)).item.body == BIG


async def test_a_large_one_that_was_set_aside_comes_back_whole(place: Place) -> None:
    queue = place.events()
    sent = envelope(body=random_body())
    await queue.send(sent)
    await (await received(queue)).bury("broken")
    assert await place.keys("large/") == []
    assert await queue.redrive("a")
    assert (await received(queue)).item == sent


async def test_a_large_one_whose_text_is_gone_is_set_aside(place: Place) -> None:
    queue = place.events()
    await queue.send(envelope(body=random_body()))
    await place.forget("large/")
    assert (await queue.receive(0), await queue.depth()) == (None, 0)
    (letter,) = await queue.dead_letters()
    assert letter.reason.endswith("is not in the bucket any more")


@pytest.mark.parametrize("text", ["no envelope", "e30=", message_of(envelope())["MessageBody"][:-8]])
async def test_what_nobody_can_read_is_set_aside_and_its_group_goes_on(place: Place, text: str) -> None:
    queue = place.events()
    await send_text(queue, text)
    await queue.send(envelope("good"))
    assert (await received(queue)).item.id == "good"
    (letter,) = await queue.dead_letters()
    assert (letter.envelope.name, letter.envelope.group, letter.envelope.body) == (
        "unreadable",
        envelope().group,
        text.encode(),
    )
    assert letter.reason.startswith("Unreadable: ")


async def test_what_nobody_could_read_goes_back_as_it_came(place: Place) -> None:
    queue = place.events()
    await send_text(queue, "no envelope")
    with capture_logs() as lines:
        assert await queue.receive(0) is None
    assert [line["event"] for line in lines] == ["dead-lettered"], "an alarm hears of it by the log alone"
    (letter,) = await queue.dead_letters()
    assert await queue.redrive(letter.envelope.id)
    assert (await place.received(place.events_address))["Body"] == "no envelope"


async def test_a_job_that_nobody_can_read_is_set_aside(place: Place) -> None:
    queue = place.jobs()
    await queue.sqs.call("send_message", MessageBody='{"job": 7}')
    with capture_logs() as lines:
        assert (await queue.receive(0), await queue.depth()) == (None, 0)
    (dead,) = await queue.dead_letters()
    assert (dead.job, dead.failures, dead.reason[:10]) == (None, 0, "Unreadable")
    assert [line["dead"] for line in lines] == [True], "an alarm hears of it by the log alone"


async def test_dead_letters_are_listed_in_the_order_of_their_death_and_redriven_by_id(place: Place) -> None:
    queue = place.events()
    for name in ("c", "a", "ab"):
        await queue.send(envelope(name))
        await (await received(queue)).bury("broken")
    assert [letter.envelope.id for letter in await queue.dead_letters()] == ["c", "a", "ab"]
    assert await queue.redrive("a")
    assert [letter.envelope.id for letter in await queue.dead_letters()] == ["c", "ab"]


async def test_the_same_id_is_dead_once_in_each_group(place: Place) -> None:
    queue = place.events()
    for group in ("group/1", "group/2"):
        await queue.send(envelope(group=group))
        await (await received(queue)).bury("broken")
    assert await queue.redrive("a")
    assert await queue.dead_letters() == []
    assert {(await received(queue)).item.group for _ in range(2)} == {"group/1", "group/2"}


async def test_what_is_received_without_end_is_set_aside_before_sqs_takes_it_away(place: Place) -> None:
    queue = place.events()
    await queue.send(envelope())
    record = record_of(await place.received(place.events_address))
    record["attributes"]["ApproximateReceiveCount"] = str(MOST_RECEIVES + 1)
    with capture_logs() as lines:
        assert await queue.lease_of(record) is None
    assert [line["event"] for line in lines] == ["dead-lettered"]
    (letter,) = await queue.dead_letters()
    assert letter.envelope == envelope()
    assert letter.reason.startswith("it was received 901 times")


async def test_an_event_that_kills_whoever_handles_it_is_set_aside(place: Place, stack: Stack) -> None:
    """A loss is no failure, but one that always comes is: the group waits behind it."""
    queue, received = place.events(), 0
    await queue.send(envelope())
    while (lease := await queue.receive(0)) and received < 2 * SUSPECT:
        received = lease.receives
        stack.pass_time(LEASE_SECONDS + 1)
    (letter,) = await queue.dead_letters()
    assert (received, letter.failures) == (SUSPECT + 3 - 1, 3)
    assert letter.reason.startswith("whoever handled it was lost again and again")


async def test_an_event_that_is_given_back_again_and_again_has_not_failed(place: Place) -> None:
    queue = place.events()
    await queue.send(envelope())
    for _ in range(2 * SUSPECT):
        lease = await queue.receive(0)
        assert lease is not None
        assert lease.failures == 0
        await lease.release(0)
    assert await queue.dead_letters() == []


# Waiting


async def test_many_who_wait_keep_nobody_from_calling(place: Place) -> None:
    queue = place.events()
    waiting = [asyncio.create_task(queue.receive(30)) for _ in range(100)]
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await queue.send(envelope())
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        queue.stop()
        leases = await asyncio.gather(*waiting)
    assert len(done) == 1
    assert [lease.item.id for lease in leases if lease] == ["a"]


async def test_a_stop_ends_all_waiting_within_a_poll(place: Place) -> None:
    queue, began = place.jobs(), monotonic()
    waiting = [asyncio.create_task(queue.receive(60)) for _ in range(3)]
    await asyncio.sleep(0)
    queue.stop()
    assert await asyncio.gather(*waiting) == [None] * 3
    assert monotonic() - began < 30
    assert await queue.receive(60) is None


async def test_what_a_stopped_poll_gets_is_released(place: Place) -> None:
    stopped, other = place.jobs(), place.jobs()
    waiting = asyncio.create_task(stopped.receive(60))
    await asyncio.sleep(0)
    stopped.stop()
    await other.send(job())
    assert await waiting is None
    lease = await other.receive(5)
    assert lease is not None
    assert lease.item == job()


# Leases


async def test_no_message_is_held_for_longer_than_aws_allows(place: Place, stack: Stack) -> None:
    queue = place.jobs()
    await queue.send(job())
    lease = await queue.receive(5)
    assert lease is not None
    await lease.extend(2 * LONGEST_HOLD)
    stack.pass_time(LONGEST_HOLD - 60)
    await lease.extend(3600)
    stack.pass_time(60)
    with pytest.raises(LeaseLost):
        await lease.ack()
    assert await queue.receive(5) is not None


@pytest.mark.parametrize(
    ("code", "message", "lost"),
    [
        ("InvalidParameterValue", "Value A for parameter ReceiptHandle is invalid. Reason: it has expired.", True),
        ("AWS.SimpleQueueService.MessageNotInflight", "", True),
        ("ReceiptHandleIsInvalid", "The input receipt handle is invalid.", True),
        ("InvalidParameterValue", "Value 50000 for parameter VisibilityTimeout is invalid.", False),
        ("AccessDenied", "", False),
    ],
)
def test_a_refused_receipt_handle_is_told_from_other_refusals(code: str, message: str, lost: bool) -> None:
    assert is_lost(RefusedByAws("sqs", "delete_message", code, message, {})) == lost


async def test_failures_are_counted_for_whoever_receives_next(place: Place) -> None:
    await place.events().send(envelope())
    await (await received(place.events())).fail("broken")
    lease = await received(place.events())
    assert (lease.failures, lease.receives) == (1, 2)


async def test_a_failed_job_keeps_its_counts(place: Place) -> None:
    queue = place.jobs()
    await queue.send(job())
    for _ in range(2):
        lease = await queue.receive(5)
        assert lease is not None
        assert not await lease.fail("broken")
    lease = await queue.receive(5)
    assert lease is not None
    assert (lease.failures, lease.receives) == (2, 3)


async def test_a_failed_job_waits_for_its_delay_and_is_there_meanwhile(place: Place, stack: Stack) -> None:
    queue = place.jobs()
    await queue.send(job())
    lease = await queue.receive(5)
    assert lease is not None
    await lease.fail("broken", 100)
    assert not await queue.send(job())
    stack.pass_time(80)
    assert await queue.receive(0) is None
    stack.pass_time(20)
    assert await queue.receive(5) is not None


# Marks


async def test_a_mark_that_nobody_refreshed_counts_for_nothing(place: Place, stack: Stack) -> None:
    await place.jobs().send(job())
    stack.pass_time(GONE_AFTER - 60)
    assert not await place.jobs().send(job())
    stack.pass_time(60)
    assert await place.jobs().send(job())


async def test_a_job_that_fails_keeps_its_mark(place: Place, stack: Stack) -> None:
    queue = place.jobs()
    await queue.send(job())
    stack.pass_time(GONE_AFTER - 600)
    lease = await queue.receive(5)
    assert lease is not None
    await lease.fail("broken", 900)
    stack.pass_time(800)
    assert not await queue.send(job())


async def test_a_job_at_work_keeps_its_mark(place: Place, stack: Stack) -> None:
    queue = place.jobs()
    await queue.send(job())
    lease = await queue.receive(5)
    assert lease is not None
    for _ in range(3):
        await lease.extend(GONE_AFTER)
        stack.pass_time(GONE_AFTER / 2)
    assert not await queue.send(job())
    await lease.ack()
    assert await queue.send(job())


async def test_a_job_whose_sender_died_while_sending_is_sent_again(place: Place, stack: Stack) -> None:
    await Marks(place.clients, place.bucket, StackClock(stack)).announce(job().id)
    assert await place.jobs().send(job())
    assert await place.jobs().depth() == 1


async def test_a_runner_quicker_than_the_sender_leaves_no_mark(place: Place, stack: Stack) -> None:
    marks = Marks(place.clients, place.bucket, StackClock(stack))
    announced = await marks.announce(job().id)
    await marks.remove(job().id)
    await marks.confirm(job().id, announced)
    assert await place.keys("jobs/") == []


async def test_of_two_who_send_at_once_the_one_who_ends_last_confirms(place: Place, stack: Stack) -> None:
    marks = Marks(place.clients, place.bucket, StackClock(stack))
    first = await marks.announce(job().id)
    second = await marks.announce(job().id)
    await marks.confirm(job().id, first)
    assert not await marks.stands(job().id)
    await marks.confirm(job().id, second)
    assert await marks.stands(job().id)
