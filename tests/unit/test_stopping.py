"""How what is under way ends when a process is told to stop."""

import asyncio

from app.entry.stopping import Stop, drain

LONG = 60.0


async def _until(event: asyncio.Event) -> str:
    await event.wait()
    return "done"


def _stopped(times: int = 1) -> Stop:
    stop = Stop()
    for _ in range(times):
        stop.ask()
    return stop


async def test_what_takes_too_long_is_told_to_leave_and_ends_in_order() -> None:
    leave = asyncio.Event()
    task = asyncio.create_task(_until(leave))
    await asyncio.wait_for(drain({task}, 0, _stopped(), leave.set), LONG)
    assert await task == "done"


async def test_what_ends_in_time_is_not_told_to_leave() -> None:
    leave, done = asyncio.Event(), asyncio.Event()
    done.set()
    await drain({asyncio.create_task(_until(done))}, LONG, _stopped(), leave.set)
    assert not leave.is_set()


async def test_a_second_signal_lets_nothing_leave() -> None:
    leave = asyncio.Event()
    task = asyncio.create_task(_until(leave))
    await drain({task}, LONG, _stopped(2), leave.set)
    await asyncio.wait({task})
    assert (task.cancelled(), leave.is_set()) == (True, False)


async def test_a_second_signal_ends_what_is_leaving() -> None:
    stop, never = _stopped(), asyncio.Event()
    task = asyncio.create_task(_until(never))
    await asyncio.wait_for(drain({task}, 0, stop, stop.ask), LONG)
    await asyncio.wait({task})
    assert task.cancelled()


async def test_what_cannot_leave_is_cancelled() -> None:
    task = asyncio.create_task(_until(asyncio.Event()))
    await drain({task}, 0, _stopped())
    await asyncio.wait({task})
    assert task.cancelled()


async def test_a_drain_that_is_cancelled_cancels_what_it_waits_for() -> None:
    task = asyncio.create_task(_until(asyncio.Event()))
    draining = asyncio.create_task(drain({task}, LONG, _stopped()))
    await asyncio.sleep(0)
    draining.cancel()
    await asyncio.wait({task, draining})
    assert (task.cancelled(), draining.cancelled()) == (True, True)
