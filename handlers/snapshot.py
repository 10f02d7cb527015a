"""Load what a handler declared: independent reads at the same time, so that few wait for one another."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from app.config_files import ConfigFiles
from app.domain.config import resolve
from app.domain.errors import Missing
from app.domain.events import Event
from app.domain.facts import Identity, Issue, Permission, Pull
from app.domain.names import Repository, TaskRef, split_group
from app.domain.policy import Policy
from app.domain.record import TaskRecord
from app.domain.snapshot import Handler, Need, Snapshot
from app.ports import Clock, GitHub
from app.rebuild import Rebuild
from app.records import Loaded, Records

STORED = {Need.RECORD, Need.BOARD, Need.FILE}


@dataclass(frozen=True, slots=True)
class SnapshotLoader:
    """Reads from store and GitHub."""

    records: Records
    github: GitHub
    rebuild: Rebuild
    clock: Clock
    identity: Identity
    policy: Policy
    configs: ConfigFiles

    async def outline(self, handler: Handler, event: Event) -> Snapshot:
        """Read the repository's configuration, if the handler needs it."""
        outline = Snapshot(now=self.clock.now(), identity=self.identity, policy=self.policy)
        if Need.CONFIG not in handler.needs:
            return outline
        config = resolve(self.policy, await self.configs.known(_repository(event)))
        return replace(outline, policy=config.policy, config=config)

    async def load(self, handler: Handler, event: Event, outline: Snapshot) -> tuple[Snapshot, Loaded]:
        """Read what else the handler needs for the event."""
        loaded = await self.records.load(event.group) if handler.needs & STORED else Loaded(None, 0)
        if loaded.task and handler.settled(event, loaded.task):
            return replace(outline, record=loaded.task), loaded
        permission, issue = await asyncio.gather(self._permission(handler, event), self._issue(handler, event, loaded))
        if issue and Need.RECORD in handler.needs and loaded.task is None:
            loaded = await self._rebuilt(_task(event), issue, loaded)
        snapshot = replace(
            outline,
            record=loaded.task,
            issue=issue,
            permission=permission,
            pull=await self._pull(handler, event, loaded),
            head=await self._head(handler, event, loaded),
            tasks=await self._tasks(handler, event),
            board=loaded.board,
            file=loaded.file,
            found=await self.configs.find(_repository(event)) if Need.FILE in handler.needs else None,
        )
        return snapshot, loaded

    async def _permission(self, handler: Handler, event: Any) -> Permission | None:
        if Need.PERMISSION not in handler.needs or event.actor.is_bot:
            return None
        try:
            return await self.github.permission(event.task.repository, event.actor.login)
        except Missing:  # deleted or renamed since, or never a user: nobody who may do anything here
            return Permission.NONE

    async def _issue(self, handler: Handler, event: Event, loaded: Loaded) -> Issue | None:
        """Read the issue if it is asked for, or if the record is and the store does not have it."""
        lost = Need.RECORD in handler.needs and loaded.task is None
        if Need.ISSUE not in handler.needs and not lost:
            return None
        task = _task(event)
        try:
            return await self.github.issue(task.repository, task.number)
        except Missing:
            return None

    async def _rebuilt(self, task: TaskRef, issue: Issue, loaded: Loaded) -> Loaded:
        record = await self.rebuild(task, issue)
        if record is None:
            return loaded
        return await self.records.restore(record)

    async def _pull(self, handler: Handler, event: Any, loaded: Loaded) -> Pull | None:
        if Need.PULL not in handler.needs or loaded.task is None:
            return None
        number = getattr(event, "pull", loaded.task.pull)
        try:
            return await self.github.pull(event.task.repository, number) if number else None
        except Missing:
            return None

    async def _head(self, handler: Handler, event: Any, loaded: Loaded) -> str | None:
        """Look where the branch is, if Orch has made one."""
        if Need.HEAD not in handler.needs or loaded.task is None or loaded.task.head_sha is None:
            return None
        return await self.github.branch_head(event.task.repository, loaded.task.branch)

    async def _tasks(self, handler: Handler, event: Event) -> tuple[TaskRecord, ...]:
        if Need.TASKS not in handler.needs:
            return ()
        return tuple(await self.records.tasks(split_group(event.group)[0]))


def _repository(event: Any) -> Repository:
    repository = event.task.repository if hasattr(event, "task") else event.repository
    assert isinstance(repository, Repository)
    return repository


def _task(event: Any) -> TaskRef:
    task = event.task
    assert isinstance(task, TaskRef)
    return task
