"""Read lost records back from GitHub, and look for what was missed: for `orch rebuild` and `orch sweep`."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain.envelope import Envelope
from app.domain.errors import Missing, Permanent, Retryable, UserError
from app.domain.facts import Delivery, Identity, Issue
from app.domain.labels import status_label
from app.domain.names import Repository, TaskRef
from app.domain.task import Status
from app.entry.foreseen import Swept, about, describe, foresee
from app.entry.parts import Core, Ports, build_core, open_ports
from app.entry.state import require_state
from app.entry.tasks import parse_task
from app.ports import Conflict
from app.rebuild import Rebuild
from app.records import Records
from app.settings import ServeSettings

KEPT = "kept: the store has it"
NONE = "nothing: GitHub has no record of it that can be trusted"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What became of a task's record."""

    task: str
    result: str


@dataclass(slots=True)
class Stage:
    """Stands around the ports: it notes what is sent and asked for, and if `dry`, lets nothing through."""

    dry: bool = False
    sent: list[Envelope] = field(default_factory=list)
    redelivered: list[int] = field(default_factory=list)
    failed: dict[int, Delivery] = field(default_factory=dict)

    def wrap(self, name: str, part: Any) -> Any:
        around = {"events": _Events, "store": _Store, "github": _GitHub}.get(name)
        return around(part, self) if around else part


class _Around:
    """Everything of a part but what a subclass has of its own."""

    def __init__(self, part: Any, stage: Stage) -> None:
        self._part, self._stage = part, stage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)


class _Events(_Around):
    async def send(self, envelope: Envelope) -> bool:
        self._stage.sent.append(envelope)
        return self._stage.dry or await self._part.send(envelope)


class _Store(_Around):
    async def commit(self, partition: str, *changes: Any, **more: Any) -> None:
        if not self._stage.dry:
            await self._part.commit(partition, *changes, **more)


class _GitHub(_Around):
    async def identity(self) -> Identity:
        """Ask once: who waits at a terminal can ask again."""
        try:
            found: Identity = await self._part.identity()
        except Retryable as error:
            raise UserError(f"GitHub does not answer: {error}; try again later") from error
        return found

    async def failed_deliveries(self, since: datetime | None = None) -> Any:
        found = await self._part.failed_deliveries(since)
        self._stage.failed = {delivery.id: delivery for delivery in found}
        return found

    async def redeliver(self, delivery_id: int) -> None:
        if not self._stage.dry:
            await self._part.redeliver(delivery_id)
        self._stage.redelivered.append(delivery_id)


@asynccontextmanager
async def _opened(settings: ServeSettings, stage: Stage) -> AsyncIterator[tuple[Ports, Core]]:
    async with open_ports(settings, stage.wrap) as ports:
        yield ports, await build_core(settings, ports)


async def sweep(settings: ServeSettings, *, dry: bool) -> list[Swept]:
    """Do what Orch does when it starts, or find out what that would be and change nothing."""
    require_state(settings, settings.queue_file, settings.store_file)
    stage = Stage(dry)
    async with _opened(settings, stage) as (_, core):
        await core.reconcile()
        asked = [_redelivery(stage.failed[each]) for each in stage.redelivered]
        if dry:
            return [*asked, *await foresee(core.process, stage.sent)]
        events = [(envelope, core.process.parse(envelope)) for envelope in stage.sent]
    return [*asked, *(Swept(about(event), envelope.name, describe(event)) for envelope, event in events)]


def _redelivery(delivery: Delivery) -> Swept:
    what = delivery.event.replace("_", " ")
    return Swept(
        about=delivery.guid,
        what="redelivery",
        found=f"a webhook about {what} did not arrive",
        then=("have GitHub send it again",),
        why=f"its last attempt failed at {delivery.delivered_at.isoformat(' ', 'seconds')}",
    )


async def rebuild(settings: ServeSettings, task: str | None) -> list[Rebuilt]:
    """Read the record of that task, or of all, back from GitHub where the store has none."""
    require_state(settings, settings.queue_file)
    wanted = parse_task(task) if task is not None else None
    async with open_ports(settings, Stage().wrap) as ports:
        names = {one.full_name.lower(): one for one in await ports.github.repositories()}
        rebuilding = Rebuild(ports.github, await ports.github.identity(), settings.keyring())
        if wanted is None:
            issues = [
                (repository, issue)
                for repository in names.values()
                for issue in (await _labelled(settings, ports, repository)).values()
            ]
        else:
            issues = [await _issue(ports, names, *wanted)]
        return [
            await _rebuild(ports, rebuilding, TaskRef(repository=where, number=it.number), it) for where, it in issues
        ]


async def _issue(ports: Ports, names: Mapping[str, Repository], name: str, number: int) -> tuple[Repository, Issue]:
    if name not in names:
        raise UserError(f"the App is not installed on {name}; it is on: {', '.join(sorted(names)) or 'no repository'}")
    try:
        return names[name], await ports.github.issue(names[name], number)
    except Missing as error:
        raise UserError(f"{name} has no issue #{number}") from error


async def _labelled(settings: ServeSettings, ports: Ports, repository: Repository) -> Mapping[int, Issue]:
    """List the issues that are or were tasks, by number."""
    labels = [settings.trigger_label, *(status_label(status) for status in Status)]
    try:
        lists = [await ports.github.issues_labeled(repository, label, "all") for label in labels]
    except Permanent:  # issues are disabled there
        return {}
    return dict(sorted((issue.number, issue) for found in lists for issue in found))


async def _rebuild(ports: Ports, rebuilding: Rebuild, task: TaskRef, issue: Issue) -> Rebuilt:
    records = Records(ports.store)
    if (await records.load(task.group)).record is not None:
        return Rebuilt(str(task), KEPT)
    record = await rebuilding(task, issue)
    if record is None:
        return Rebuilt(str(task), NONE)
    try:
        await records.restore(record)
    except Conflict:  # Orch, which runs over the same store, was quicker
        return Rebuilt(str(task), KEPT)
    return Rebuilt(str(task), f"rebuilt: {record.status.value}")
