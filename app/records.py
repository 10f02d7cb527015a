"""Load and commit what the store knows of a group: its record, its marks, its outbox."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from app.boards import Boards
from app.domain.admission import Board
from app.domain.config import RepoFile
from app.domain.effects import EFFECT, Decision, Effect
from app.domain.ledger import Ledger
from app.domain.names import ADMISSION, CONFIG, LEDGER, Repository, config_group, split_group
from app.domain.record import TaskRecord
from app.domain.task import Status
from app.ports import Document, Store

MARK_LIFE = timedelta(days=30)
"""How long a handled event is remembered; GitHub keeps deliveries for redelivery for 3 days."""
SWEEP_LIFE = timedelta(days=1)
"""How long what a sweep found is: there is one every few minutes."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the store has, with its version: 0 when it is not there (yet)."""

    record: TaskRecord | Board | RepoFile | Ledger | None
    version: int

    @property
    def task(self) -> TaskRecord | None:
        return self.record if isinstance(self.record, TaskRecord) else None

    @property
    def board(self) -> Board | None:
        return self.record if isinstance(self.record, Board) else None

    @property
    def ledger(self) -> Ledger | None:
        return self.record if isinstance(self.record, Ledger) else None

    @property
    def file(self) -> RepoFile | None:
        return self.record if isinstance(self.record, RepoFile) else None


@dataclass(frozen=True, slots=True)
class Pending:
    """An effect in the outbox. `tried_at` says that it may have been performed already, and when."""

    key: str
    version: int
    id: str
    effect: Effect
    tried_at: datetime | None


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store has for an event: the record of its group, unread; if it was handled; what is to be done first."""

    document: Document | None
    is_handled: bool
    outbox: list[Pending]


class Records:
    """The store, in the words of tasks: a group is `<partition>/<item>`. A write that comes late raises Conflict."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._boards = Boards(store)

    async def stored(self, group: str, event_id: str) -> Stored:
        """Ask the store for all that handling an event begins with."""
        partition, item = split_group(group)
        record, mark, outbox = f"record/{item}", f"mark/{item}/{event_id}", f"outbox/{item}/"
        found = {one.key: one for one in await self._store.find(partition, [record, mark], outbox)}
        pendings = [_pending(document) for key, document in found.items() if key.startswith(outbox)]
        return Stored(found.get(record), mark in found, pendings)

    async def load(self, group: str, stored: Stored | None = None) -> Loaded:
        """Return the group's record as the store has it, or had it when `stored` was asked for."""
        document = stored.document if stored else await self._get(group, "record")
        if group == ADMISSION:
            return Loaded(*await self._boards.under(document))
        if document is None:
            return Loaded(None, 0)
        return Loaded(_model_of(group).model_validate(document.body), document.version)

    async def repo_file(self, repository: Repository) -> RepoFile | None:
        """Return what is known of the repository's `.orch.yml`, None if it was never read."""
        return (await self.load(config_group(repository.id))).file

    async def tasks(self, partition: str, among: Collection[Status] = tuple(Status)) -> Sequence[TaskRecord]:
        """List the tasks of a repository that the store knows and whose status is one of those."""
        documents = await self._store.query(partition, "record/")
        tasks = [one.body for one in documents if one.key != f"record/{CONFIG}" and one.body["status"] in among]
        return [TaskRecord.model_validate(body) for body in tasks]

    async def decisions(self, group: str) -> Sequence[tuple[datetime, str]]:
        """List when the group's events were handled and why so, the first one first, as far as it is remembered."""
        partition, item = split_group(group)
        marks = await self._store.query(partition, f"mark/{item}/")
        return sorted((datetime.fromisoformat(mark.body["at"]), mark.body["why"]) for mark in marks)

    async def commit(
        self,
        group: str,
        event_id: str,
        decision: Decision,
        version: int,
        now: datetime,
        *,
        life: timedelta = MARK_LIFE,
    ) -> list[Pending]:
        """Write record, mark and outbox in one go, and return the outbox; the mark is remembered for its `life`."""
        partition, item = split_group(group)
        mark = f"mark/{item}/{event_id}"
        puts: dict[str, Mapping[str, Any]] = {mark: {"why": decision.why, "at": now.isoformat()}}
        expected = {mark: 0}
        deletes: list[str] = []
        if isinstance(decision.record, Board):
            lines, deletes = await self._boards.split(decision.record, version)
            puts |= lines
        elif decision.record is not None:
            puts[f"record/{item}"] = _dump(decision.record)
        if decision.record is not None:
            expected[f"record/{item}"] = version
        outbox = _outbox(item, event_id, decision.effects)
        puts |= outbox
        expected |= dict.fromkeys(outbox, 0)
        await self._store.commit(partition, puts, deletes, expected, {mark: now + life})
        if isinstance(decision.record, Board):
            self._boards.note(decision.record, version + 1)
        entries = zip(outbox.items(), decision.effects, strict=True)
        return [Pending(key, 1, entry["id"], effect, None) for (key, entry), effect in entries]

    async def outbox(self, group: str) -> list[Pending]:
        """Return what is still to be done, in order."""
        partition, item = split_group(group)
        return [_pending(document) for document in await self._store.query(partition, f"outbox/{item}/")]

    async def note_try(self, group: str, pending: Pending, now: datetime) -> Pending:
        """Write down that an effect is about to be tried, so that a repetition looks first."""
        partition, _ = split_group(group)
        entry = _entry(pending.id, pending.effect, now)
        await self._store.commit(partition, {pending.key: entry}, expected={pending.key: pending.version})
        return Pending(pending.key, pending.version + 1, pending.id, pending.effect, now)

    async def settle(
        self, group: str, pending: Pending, before: Loaded, after: TaskRecord | None, more: Sequence[Effect] = ()
    ) -> Loaded:
        """Take an effect out of the outbox and write what its result changed, with what follows from that."""
        puts = _outbox(split_group(group)[1], f"{pending.id}:told", more)
        return await self._settle(group, [pending], before, after, puts)

    async def drop(self, group: str, pendings: Sequence[Pending]) -> None:
        """Take effects out of the outbox whose results change nothing."""
        await self._settle(group, pendings, Loaded(None, 0), None, {})

    async def replace(
        self, group: str, pendings: Sequence[Pending], before: Loaded, after: TaskRecord, instead: Sequence[Effect]
    ) -> Loaded:
        """Take the first effect, which was refused, and all after it out; put others in their place."""
        _, item = split_group(group)
        puts = _outbox(item, f"{pendings[0].id}:refused", instead)
        return await self._settle(group, pendings, before, after, puts)

    async def restore(self, record: TaskRecord) -> Loaded:
        """Write a record that was rebuilt from GitHub where the store has none."""
        partition, item = split_group(record.group)
        key = f"record/{item}"
        await self._store.commit(partition, {key: _dump(record)}, expected={key: 0})
        return Loaded(record, 1)

    async def _settle(
        self,
        group: str,
        pendings: Sequence[Pending],
        before: Loaded,
        after: TaskRecord | None,
        puts: Mapping[str, Mapping[str, Any]],
    ) -> Loaded:
        partition, item = split_group(group)
        expected = {pending.key: pending.version for pending in pendings}
        gone = [key for key in expected if key not in puts]
        if after is None or after == before.record:
            await self._store.commit(partition, puts, gone, expected)
            return before
        key = f"record/{item}"
        await self._store.commit(partition, {**puts, key: _dump(after)}, gone, {**expected, key: before.version})
        return Loaded(after, before.version + 1)

    async def _get(self, group: str, kind: str, *rest: str) -> Document | None:
        partition, item = split_group(group)
        return await self._store.get(partition, "/".join([kind, item, *rest]))


def _model_of(group: str) -> type[TaskRecord] | type[RepoFile] | type[Ledger]:
    match split_group(group)[1]:
        case item if item == CONFIG:
            return RepoFile
        case item if item == LEDGER:
            return Ledger
        case _:
            return TaskRecord


def _outbox(item: str, cause: str, effects: Sequence[Effect]) -> dict[str, Mapping[str, Any]]:
    """Name each entry by its cause: a key that came back would let a worker that was overtaken settle another's."""
    digest = sha256(cause.encode()).hexdigest()[:16]
    return {
        f"outbox/{item}/{index:03}-{digest}": _entry(f"{cause}:{index}", effect, None)
        for index, effect in enumerate(effects)
    }


def _entry(identity: str, effect: Effect, tried_at: datetime | None) -> Mapping[str, Any]:
    return {"id": identity, "effect": effect.model_dump(mode="json"), "tried_at": tried_at and tried_at.isoformat()}


def _pending(document: Document) -> Pending:
    body = document.body
    tried_at = datetime.fromisoformat(body["tried_at"]) if body["tried_at"] else None
    return Pending(document.key, document.version, body["id"], EFFECT.validate_python(body["effect"]), tried_at)


def _dump(value: TaskRecord | RepoFile | Ledger) -> Mapping[str, Any]:
    return value.model_dump(mode="json")
