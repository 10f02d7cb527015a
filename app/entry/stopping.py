"""How a process ends: told by a signal at any moment, in order, and within bounds."""

import asyncio
import signal
from collections.abc import Collection, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 5.0


def stop_on_signals() -> asyncio.Event:
    """Return the event that SIGTERM and SIGINT set from now on."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
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


async def drain(tasks: Collection[asyncio.Task[Any]], seconds: float = PATIENCE) -> None:
    """Let the tasks end what is short; what takes longer is cancelled, and goes back to its queue."""
    with suppress(asyncio.CancelledError):
        await asyncio.wait(tasks, timeout=seconds)
    for task in tasks:
        task.cancel()
