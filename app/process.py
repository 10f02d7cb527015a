"""One envelope: parse, read the snapshot, decide, commit, apply, acknowledge."""

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any, Protocol

from app.apply import Apply
from app.domain.effects import Decision
from app.domain.envelope import Envelope, Source
from app.domain.errors import Permanent, Retryable, Unauthorized, Unparsable
from app.domain.events import Event, Ignored, SlotWanted
from app.domain.internal import disclose
from app.domain.names import ADMISSION, TaskRef, number_of_branch
from app.domain.policy import Policy
from app.domain.record import TaskRecord
from app.domain.snapshot import Handler, Snapshot
from app.domain.strategies.telling import told
from app.log import bound, log
from app.measures import measure_decision
from app.metrics import EVENT_SECONDS
from app.ports import Clock, Conflict, EventQueue, Lease, LeaseLost
from app.records import MARK_LIFE, SWEEP_LIFE, Loaded, Pending, Records, Stored
from app.telemetry import about, carried, span


class Loader(Protocol):
    """Reads what a handler needs."""

    async def outline(self, handler: Handler, event: Event) -> Snapshot:
        """Return a snapshot for which nothing was read but the repository's configuration, if that is needed."""
        ...

    async def load(self, handler: Handler, event: Event, outline: Snapshot, stored: Stored) -> tuple[Snapshot, Loaded]:
        """Return the outline with all that is needed, and the record in it with its version."""
        ...


@dataclass(frozen=True, slots=True)
class Process:
    """Handle leased envelopes, one at a time in each group.

    `deadline` is how many seconds one may take; it is shorter than the lease, or two workers would drain one outbox.
    """

    handlers: Mapping[type[Any], Handler]
    parse: Callable[[Envelope], Event]
    loader: Loader
    records: Records
    apply: Apply
    events: EventQueue
    clock: Clock
    policy: Policy
    deadline: float

    async def __call__(self, lease: Lease[Envelope]) -> None:
        """Handle the envelope and end the lease one way or the other; raises nothing but what cancels."""
        envelope, began = lease.item, perf_counter()
        words = {"delivery": envelope.id, "group": envelope.group}
        with (
            span(f"handle {envelope.name}", trace=envelope.trace, **words) as current,
            bound(name=envelope.name, **words, **current.names),
        ):
            result = await self._ended(lease)
            current.note(result=result)
        EVENT_SECONDS.record(perf_counter() - began, result=result)

    async def _ended(self, lease: Lease[Envelope]) -> str:
        """Handle the envelope, end the lease, and return what became of it."""
        try:
            return await self._end(lease, lambda: self._handle(lease.item, lease))
        except LeaseLost:
            log().warning("the lease ended before its envelope was handled; it will be handled again")
        except Retryable as error:  # the queue does not take the end of the lease, which will end by itself
            log().error("the lease could not be ended", reason=str(error))
        except Exception as error:
            log().exception("the lease could not be ended", error=str(error))
        return "lost"

    async def _end(self, lease: Lease[Envelope], work: Callable[[], Awaitable[None]]) -> str:
        result = "released"
        try:
            async with asyncio.timeout(self.deadline):
                await work()
            result = "handled"
        except TimeoutError:
            await lease.release(self._back_off(lease))
            log().warning("released", reason=f"it took longer than {self.deadline:g} s and will be gone on with")
        except asyncio.CancelledError:
            with suppress(Exception):  # whatever else is wrong, this task was told to end
                await lease.release(0)
            raise
        except Retryable as error:
            delay = error.delay if error.delay is not None else self._back_off(lease)
            log().info("released", reason=str(error), delay=round(delay, 2))
            await lease.release(delay)
        except Unauthorized as error:
            await lease.release(self._back_off(lease))
            log().error("GitHub does not take the App's key", reason=str(error))
        except Conflict as error:
            await lease.release(0 if lease.receives == 1 else self._back_off(lease))
            log().info("released", reason=str(error))
        except (Unparsable, Permanent) as error:
            await lease.bury(str(error))
            log().error("dead-lettered", reason=str(error))
            result = "dead_lettered"
        except Exception as error:  # a bug of ours must not stop the worker: it is counted, then dead-lettered
            dead = await lease.fail(traceback.format_exc(), self._back_off(lease))
            log().exception("failed", dead=dead, error=str(error))
            result = "dead_lettered" if dead else "failed"
        return result

    def _back_off(self, lease: Lease[Envelope]) -> float:
        exponent = min(max(lease.receives - 1, 0), 10)
        delay = min(self.policy.retry_base * 2**exponent, self.policy.retry_cap)
        return float(delay * random.uniform(0.8, 1.2))  # noqa: S311 (jitter)

    async def _handle(self, envelope: Envelope, lease: Lease[Envelope]) -> None:
        if envelope.not_before is not None:
            await self._forward(envelope)
        else:
            await self._decide(envelope)
        await lease.ack()

    async def _forward(self, envelope: Envelope) -> None:
        """Send an envelope whose time has come to the group it is for."""
        assert envelope.not_before is not None
        left = (envelope.not_before - self.clock.now()) / timedelta(seconds=1)
        if left > 0:
            raise Retryable("its time has not come", left)
        group = self.parse(envelope).group
        await self.events.send(envelope.model_copy(update={"group": group, "not_before": None}))

    async def _decide(self, envelope: Envelope) -> None:
        """Finish what a crash left half done, then decide, unless that was done already."""
        group = envelope.group
        stored = await self._drained(envelope)
        event = _with_trace(self.parse(envelope))
        with bound(**self._names(event)), about(_whose(event)):
            committed = await self._committed(envelope, event, stored)
            if committed is not None and committed[1]:  # nothing else is left since it was drained above
                loaded, outbox = committed
                await self.apply.drain(group, loaded, outbox)

    async def _committed(self, envelope: Envelope, event: Event, stored: Stored) -> tuple[Loaded, list[Pending]] | None:
        """Decide and write that down; return what is to be done of it."""
        group = envelope.group
        with span("decide", event=event.type) as current:
            considered = await self.consider(event, stored)
            if considered is None:
                return None
            decision, loaded = considered
            if envelope.source is Source.SWEEP and decision.record is None and not decision.effects:
                return None  # a look every few minutes at which nothing was missed is not worth a place in the store
            decision = _extended(loaded.task, self.apply.notifying.extend(loaded.task, decision))
            life = SWEEP_LIFE if envelope.source is Source.SWEEP else MARK_LIFE
            now = self.clock.now()
            outbox = await self.records.commit(group, envelope.id, decision, loaded.version, now, life=life)
            log().info("decided", why=decision.why, effects=[effect.type for effect in decision.effects])
            current.note(effects=len(outbox))
            measure_decision(event, loaded.task, envelope.received_at)
            if decision.record is not None:
                return Loaded(decision.record, loaded.version + 1), outbox
            if outbox and loaded.record is None:  # the handler asked for none
                loaded = await self.records.load(group, stored)
            return loaded, outbox

    async def _drained(self, envelope: Envelope) -> Stored:
        """Return what the store has for the envelope's event, after all was done that was still to be."""
        group = envelope.group
        while (stored := await self.records.stored(group, envelope.id)).outbox:
            await self.apply.drain(group, await self.records.load(group, stored), stored.outbox)
        return stored

    async def consider(self, event: Event, stored: Stored) -> tuple[Decision, Loaded] | None:
        """Decide what follows from an event, and do nothing of it; None if nothing does.

        `stored` is what the store has for the event.
        """
        handler = self.handlers.get(type(event))
        why = event.reason if isinstance(event, Ignored) else None
        if handler is None:
            log().debug("ignored", why=why)
            return None
        outline = await self.loader.outline(handler, event)
        why = handler.skip(event, outline)
        if why is not None:
            log().debug("ignored", why=why)
            return None
        if stored.is_handled:
            log().info("handled before")
            return None
        snapshot, loaded = await self.loader.load(handler, event, outline, stored)
        return _dated(handler.decide(event, snapshot), loaded.task, snapshot.now), loaded

    def _names(self, event: Any) -> dict[str, str]:
        """Name task, job and run that an event is about, so that its every line can be found by these names."""
        names = _ids(event)
        task, branch = _task_of(event), getattr(event, "head_branch", None)
        if task is not None:
            return names | {"task": str(task)}
        number = number_of_branch(branch, self.policy.branch_prefix) if branch else None
        return {"task": f"{event.repository.full_name}#{number}"} if number else {}


def _ids(event: Any) -> dict[str, str]:
    job = getattr(getattr(event, "job", None), "id", None)
    ids = {"job": getattr(event, "job_id", job), "run": getattr(event, "run_id", None)}
    return {name: str(found) for name, found in ids.items() if found}


def _task_of(event: Any) -> TaskRef | None:
    task = getattr(getattr(event, "job", event), "task", None)
    return task if isinstance(task, TaskRef) else None


def _whose(event: Event) -> str | None:
    """Name the group of the task that an event is about; of what admission is told, much is about no task."""
    task = _task_of(event)
    if task is not None:
        return task.group
    return ADMISSION if event.group == ADMISSION else None


def _with_trace(event: Event) -> Event:
    """Let a job that has to wait for its slot keep the trace in which it was wanted."""
    if not isinstance(event, SlotWanted) or (trace := carried()) is None:
        return event
    return event.model_copy(update={"job": event.job.model_copy(update={"trace": trace})})


def _extended(before: TaskRecord | None, decision: Decision) -> Decision:
    """Ask for what other tasks are to be told of this one."""
    if not isinstance(decision.record, TaskRecord):
        return decision
    more = told(before, decision.record)
    return replace(decision, effects=(*decision.effects, *more)) if more else decision


def _dated(decision: Decision, before: TaskRecord | None, now: datetime) -> Decision:
    """Note when another status began: before the snapshot was read, so that what it shows is older or in it."""
    record = decision.record
    return replace(decision, record=record.dated(before, now)) if isinstance(record, TaskRecord) else decision


def parser(parse_webhook: Callable[[str, bytes, str], Event]) -> Callable[[Envelope], Event]:
    """Return the function that parses envelopes of both sources."""

    def parse(envelope: Envelope) -> Event:
        if envelope.source is not Source.GITHUB:
            return disclose(envelope)
        return parse_webhook(envelope.name, envelope.body, envelope.group)

    return parse
