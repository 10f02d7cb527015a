"""How a process ends: told by a signal at any moment, in order, and within bounds."""

import asyncio
import signal
from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

from app.log import log

T = TypeVar("T")

LEAVE_SECONDS = 30.0
"""What work that takes longer than it may has to be kept for whoever goes on with it."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop(asyncio.Event):
    """Set when the process is to stop. `at_once` is set when it is to wait for nothing that is under way."""

    def __init__(self) -> None:
        super().__init__()
        self.at_once = asyncio.Event()

    def ask(self) -> None:
        """Stop; asked again, stop at once; after that, signals do what they do to any process."""
        if not self.is_set():
            self.set()
            return
        self.at_once.set()
        for number in SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)


def stop_on_signals(stop: Stop | None = None) -> Stop:
    """Return the event, the one given or a new one, that SIGTERM and SIGINT set from now on."""
    stop = stop or Stop()
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.ask)
    return stop


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Do the work and return its result; cancel it and return None if the event comes first."""
    working = asyncio.create_task(work, name="work until stopped")
    stopping = asyncio.create_task(stop.wait(), name="stop signal")
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


async def drain(
    tasks: Collection[asyncio.Task[Any]],
    seconds: float,
    stop: asyncio.Event,
    leave: Callable[[], None] | None = None,
) -> None:
    """Let the tasks end for so many seconds; what takes longer is cancelled, and goes back to its queue.

    Before that it is told to `leave`, and has LEAVE_SECONDS to.
    """
    late = await _late(tasks, seconds, stop)
    if late:
        log().info("what is under way is given back", parts=sorted(task.get_name() for task in late))
    if late and leave and not _is_hurried(stop):
        leave()
        late = await _late(late, LEAVE_SECONDS, stop)
    for task in late:
        task.cancel()


async def _late(tasks: Collection[asyncio.Task[Any]], seconds: float, stop: asyncio.Event) -> list[asyncio.Task[Any]]:
    """Return those that have not ended after so many seconds, or by a second signal; cancelled, cancel them."""
    if not tasks:
        return []
    at_once = stop.at_once if isinstance(stop, Stop) else asyncio.Event()
    ending = asyncio.create_task(asyncio.wait(tasks), name="work under way")
    hurrying = asyncio.create_task(at_once.wait(), name="second stop signal")
    try:
        await asyncio.wait({ending, hurrying}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        raise
    finally:
        ending.cancel()
        hurrying.cancel()
    return [task for task in tasks if not task.done()]


def _is_hurried(stop: asyncio.Event) -> bool:
    return isinstance(stop, Stop) and stop.at_once.is_set()
