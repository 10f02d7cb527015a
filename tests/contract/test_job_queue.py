"""What every jobs queue does."""

import asyncio

import pytest

from app.domain.jobs import Job, run_job
from app.domain.names import Repository, TaskRef
from app.ports import Backlog, Lease, LeaseLost
from tests.contract.conftest import Rig

SOON = 60.0
REPOSITORY = Repository(id=1, installation_id=2, owner="octo", name="demo")


def job(number: int = 1) -> Job:
    return run_job(TaskRef(repository=REPOSITORY, number=number), attempt=1)


async def receive(rig: Rig) -> Lease[Job]:
    """Receive what must be there."""
    async with asyncio.timeout(SOON):
        lease = await rig.jobs.receive(5)
    assert lease is not None
    return lease


async def test_what_was_sent_is_received_unchanged(rig: Rig) -> None:
    assert await rig.jobs.send(job())
    lease = await receive(rig)
    assert (lease.item, lease.failures, lease.receives) == (job(), 0, 1)


async def test_an_empty_queue_gives_nothing(rig: Rig) -> None:
    assert await rig.jobs.receive(0) is None


async def test_jobs_do_not_wait_for_each_other(rig: Rig) -> None:
    for number in range(3):
        await rig.jobs.send(job(number))
    leases = [await receive(rig) for _ in range(3)]
    assert {lease.item.task.number for lease in leases} == {0, 1, 2}


async def test_the_backlog_says_what_waits_and_what_is_in_flight(rig: Rig) -> None:
    for number in range(3):
        await rig.jobs.send(job(number))
    await receive(rig)
    assert await rig.jobs.backlog() == Backlog(waiting=2, in_flight=1, later=0)


async def test_a_job_that_waits_is_not_taken_again(rig: Rig) -> None:
    await rig.jobs.send(job())
    assert not await rig.jobs.send(job())
    assert await rig.jobs.depth() == 1


async def test_a_job_in_flight_is_not_taken_again(rig: Rig) -> None:
    await rig.jobs.send(job())
    lease = await receive(rig)
    assert not await rig.jobs.send(job())
    await lease.ack()
    assert await rig.jobs.depth() == 0


async def test_a_job_that_is_gone_is_taken_again(rig: Rig) -> None:
    await rig.jobs.send(job())
    await (await receive(rig)).ack()
    assert await rig.jobs.send(job())
    assert (await receive(rig)).item == job()


async def test_a_receive_that_waits_gets_what_is_sent_meanwhile(rig: Rig) -> None:
    waiting = asyncio.create_task(receive(rig))
    await asyncio.sleep(0)
    await rig.jobs.send(job())
    assert (await waiting).item == job()


async def test_a_cancelled_receive_holds_nothing(rig: Rig) -> None:
    await rig.jobs.send(job())
    cancelled = asyncio.create_task(rig.jobs.receive(1))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert (await receive(rig)).item == job()


async def test_a_lost_job_comes_again_and_has_not_failed(rig: Rig) -> None:
    await rig.jobs.send(job())
    lost = await receive(rig)
    await rig.pass_time(rig.lease_seconds)
    again = await receive(rig)
    assert (again.item, again.failures, again.receives) == (job(), 0, 2)
    with pytest.raises(LeaseLost):
        await lost.ack()


async def test_an_extended_job_stays_held(rig: Rig) -> None:
    await rig.jobs.send(job())
    lease = await receive(rig)
    await rig.pass_time(rig.lease_seconds - rig.slack)
    await lease.extend(rig.lease_seconds)
    await rig.pass_time(rig.lease_seconds - rig.slack)
    assert await rig.jobs.receive(0) is None
    await lease.ack()


async def test_a_released_job_waits_for_its_delay_and_no_other_does(rig: Rig) -> None:
    await rig.jobs.send(job(1))
    await (await receive(rig)).release(rig.slack)
    await rig.jobs.send(job(2))
    assert (await receive(rig)).item == job(2)
    assert await rig.jobs.receive(0) is None
    await rig.pass_time(rig.slack)
    assert (await receive(rig)).item == job(1)


async def test_the_last_failure_takes_the_job_off(rig: Rig) -> None:
    await rig.jobs.send(job())
    buried = [await (await receive(rig)).fail("broken") for _ in range(rig.max_failures)]
    assert buried == [False] * (rig.max_failures - 1) + [True]
    assert await rig.jobs.depth() == 0


async def test_a_buried_job_is_off_at_once_and_may_be_sent_again(rig: Rig) -> None:
    await rig.jobs.send(job())
    await (await receive(rig)).bury("broken")
    assert await rig.jobs.depth() == 0
    assert await rig.jobs.send(job())


async def test_a_dead_job_tells_its_reason_and_can_be_redriven(rig: Rig) -> None:
    await rig.jobs.send(job())
    await (await receive(rig)).bury("no such agent")
    (dead,) = await rig.jobs.dead_letters()
    assert (dead.id, dead.job, dead.reason, dead.failures) == (job().id, job(), "no such agent", 0)
    assert await rig.jobs.redrive(job().id)
    assert ((await receive(rig)).item, await rig.jobs.dead_letters()) == (job(), [])


async def test_an_unknown_dead_job_is_not_redriven(rig: Rig) -> None:
    assert not await rig.jobs.redrive("nothing")
