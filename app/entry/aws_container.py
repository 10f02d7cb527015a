"""What a container of a Lambda function keeps between calls, and what its calls do."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Protocol, TypeVar

from app.cursor import Cursor
from app.domain.errors import Retryable
from app.entry.aws_runs import answer
from app.entry.looking import SWEEP
from app.entry.parts import TURN, Core, Ports, build_core, open_notifier, open_ports, plain
from app.entry.secret_settings import read_with_secret
from app.entry.telemetry import carrying, look_at_queues, start_telemetry
from app.log import bound, configure, log
from app.process import Process
from app.settings import ServeSettings, find_sources
from app.telemetry import flush
from app.turns import Turns
from infra.aws.events import SqsEventQueue
from infra.aws.run_calls import Answer, Raised

T = TypeVar("T")
MARGIN = 2.0
"""Seconds before the function's time is up in which what is under way is given back."""
MAX_AGE = timedelta(hours=1)
"""After which settings and secrets are read again: an App's new key is taken without a deployment."""
AGAIN, SELDOM = 15.0, 900.0
"""Seconds until an event is tried again for which nothing could be opened, at first and at last: each try costs a
start, and an event that waits for a person over a weekend must not be received so often that it is set aside."""


class Context(Protocol):
    """What is used of the context that Lambda hands over."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


@dataclass(slots=True)
class Place:
    """What was opened, and when. `queue` is the events queue itself, without what is put around it."""

    settings: ServeSettings
    ports: Ports
    queue: SqsEventQueue
    stack: AsyncExitStack
    opened_at: datetime
    core: Core | None = None
    stale: bool = False


class Container:
    """Runs each call in one event loop, in which sessions live on; what is needed is opened by the first call.

    A failure in that is the call's own, and the next call opens all anew.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._place: Place | None = None

    def events(self, event: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Handle messages in their order; after one that stays on the queue none is touched."""

        async def work(ends: float) -> list[str]:
            ids = [str(record["messageId"]) for record in event["Records"]]
            for number, record in enumerate(event["Records"]):
                if not await self._handle(record, ends):
                    return ids[number:]
            return []

        left = self._run(work, context)
        return {"batchItemFailures": [{"itemIdentifier": each} for each in left]}

    def sweep(self, context: Context) -> None:
        """Look after runners first: they need nothing of GitHub."""

        async def work(ends: float) -> None:
            async with asyncio.timeout_at(ends):
                place = await self._opened()
                await place.ports.tend()
                await look_at_queues(place.ports.events, place.ports.jobs)
                if await Turns(place.ports.store, place.ports.clock).take(SWEEP, place.settings.redeliver_every):
                    await _look(await self._built(place), place.ports)

        self._run(work, context)

    def runs(self, event: object, context: Context) -> dict[str, Any]:
        """Answer a runner; what keeps this function from answering is for the runner something that passes."""

        async def work(ends: float) -> dict[str, Any]:
            try:
                async with asyncio.timeout_at(ends):
                    place = await self._opened()
                    runs = (await self._built(place)).runs
            except Exception as error:
                log().exception("nothing could be opened", error=str(error))
                return _later(f"the runs function cannot work now ({type(error).__name__}); its log says why")
            try:
                async with asyncio.timeout_at(ends):
                    return await answer(runs, event)
            except TimeoutError:
                return _later("the runs function had no more time")

        return self._run(work, context)

    def _run(self, work: Callable[[float], Awaitable[T]], context: Context) -> T:
        """Do the work, which is told until when of the loop's time it may take."""

        async def timed() -> T:
            await asyncio.sleep(0)  # let sessions see what was closed while this was frozen, before they use it
            ends = self._loop.time() + context.get_remaining_time_in_millis() / 1000 - MARGIN
            with bound(request=context.aws_request_id):
                return await work(ends)

        try:
            return self._loop.run_until_complete(timed())
        finally:
            flush()

    async def _handle(self, record: Mapping[str, Any], ends: float) -> bool:
        """Handle a message; say whether it is off the queue."""
        try:
            async with asyncio.timeout_at(ends):
                place = await self._opened()
                lease = await place.queue.lease_of(record)
        except Retryable as error:
            log().warning("a message could not be opened now", message=record["messageId"], reason=str(error))
            return False
        if lease is None:
            return False  # it is off the queue already, or its time has not come
        try:
            async with asyncio.timeout_at(ends):
                core = await self._built(place)
        except BaseException:
            await lease.release(pause(lease.receives))
            raise
        await _hurried(core.process, ends - self._loop.time())(lease)
        return lease.acked

    async def _opened(self) -> Place:
        place = self._place
        if place is not None and (place.stale or place.ports.clock.now() - place.opened_at > MAX_AGE):
            self._place = None
            await place.stack.aclose()
        if self._place is None:
            self._place = await _open()
        return self._place

    async def _built(self, place: Place) -> Core:
        """Return the core; if it cannot be built, what it was to be built on is not used again."""
        if place.core is None:
            place.stale = True
            notifier = await open_notifier(place.settings)
            place.core = await build_core(place.settings, place.ports, carrying(plain), notifier)
            place.stale = False
        return place.core


async def _open() -> Place:
    settings = await read_with_secret(ServeSettings, find_sources())
    configure(settings.log_level, as_json=settings.log_json, secrets=settings.secrets())
    queues = list[Any]()

    def keep(name: str, part: Any) -> Any:
        queues.extend([part] if name == "events" else [])
        return part

    async with AsyncExitStack() as stack:
        ports = await stack.enter_async_context(open_ports(settings, carrying(keep)))
        return Place(settings, ports, queues[0], stack.pop_all(), ports.clock.now())


async def _look(core: Core, ports: Ports) -> None:
    """Look for what was missed, at all there is if the store is new."""
    look = await Cursor(ports.store).read()
    await (core.reconcile.sweep() if look.until else core.reconcile())


def _hurried(process: Process, seconds: float) -> Process:
    """Let an event take no more time than the function has left."""
    deadline = max(0, min(process.deadline, seconds))
    return replace(process, deadline=deadline, apply=replace(process.apply, turn=deadline * TURN))


def pause(receives: int) -> float:
    """Return for how many seconds an event waits that was received so often, and for which nothing could be opened."""
    return min(AGAIN * 2.0 ** min(receives - 1, 10), SELDOM)


def _later(why: str) -> dict[str, Any]:
    return Answer(raised=Raised(error=Retryable.__name__, message=why)).model_dump(mode="json")


@cache
def container() -> Container:
    """Return that of this process."""
    start_telemetry("lambda")
    return Container()
