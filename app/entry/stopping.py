"""How a process ends: told by a signal at any moment, in order, and within bounds."""

import asyncio
import signal
from collections.abc import Collection, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from app.log import log

T = TypeVar("T")

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


async def drain(tasks: Collection[asyncio.Task[Any]], seconds: float, stop: asyncio.Event) -> None:
    """Let the tasks end for so many seconds; what takes longer is cancelled, and goes back to its queue."""
    if not tasks:
        return
    at_once = stop.at_once if isinstance(stop, Stop) else asyncio.Event()
    ending = asyncio.create_task(asyncio.wait(tasks), name="work under way")
    hurrying = asyncio.create_task(at_once.wait(), name="second stop signal")
    try:
        with suppress(asyncio.CancelledError):
            await asyncio.wait({ending, hurrying}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ending.cancel()
        hurrying.cancel()
    late = [task for task in tasks if not task.done()]
    if late:
        log().info("what is under way is given back", parts=sorted(task.get_name() for task in late))
    for task in late:
        task.cancel()
