"""Load what a handler declared: independent reads at the same time, so that few wait for one another."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.config_files import ConfigFiles
from app.domain.config import resolve
from app.domain.errors import Missing
from app.domain.events import Event, PullCommented
from app.domain.facts import Comment, Identity, Issue, LabelGiven, Standing
from app.domain.labels import PLAN_LABEL, is_same_label
from app.domain.ledger import Ledger
from app.domain.names import ADMISSION, Repository, TaskRef, ledger_group, split_group
from app.domain.policy import Policy
from app.domain.pool import Pool, pool_of
from app.domain.powers import is_named
from app.domain.record import TaskRecord
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.task import Status, Trigger, can
from app.log import log
from app.ports import Clock, GitHub
from app.rebuild import Rebuild
from app.records import Loaded, Records, Stored
from app.standings import Standings

ON_PULL = {Need.PULL, Need.THREADS, Need.CHECKS, Need.MERGE, Need.COMMENTS, Need.REVIEWS}
LINKS = {Need.BLOCKERS, Need.BLOCKING, Need.CHILDREN}
Needs = frozenset[Need]
UNFINISHED = tuple(status for status in Status if not status.is_final)
STORED = {Need.RECORD, Need.BOARD, Need.FILE, Need.LEDGER}


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
    standings: Standings

    async def outline(self, handler: Handler, event: Event) -> Snapshot:
        """Read the repository's configuration, if the handler needs it."""
        outline = Snapshot(now=self.clock.now(), identity=self.identity, policy=self.policy)
        if Need.CONFIG not in handler.needs:
            return outline
        config = resolve(self.policy, await self.configs.known(_repository(event)))
        return replace(outline, policy=config.policy, config=config)

    async def load(
        self, handler: Handler, event: Event, outline: Snapshot, stored: Stored | None = None
    ) -> tuple[Snapshot, Loaded]:
        """Read what else the handler needs for the event, beyond what was `stored` for it."""
        loaded = await self.records.load(event.group, stored) if handler.needs & STORED else Loaded(None, 0)
        if loaded.task and handler.settled(event, loaded.task):
            return replace(outline, record=loaded.task), loaded
        if loaded.task is None and handler.only_known(event, outline):
            return outline, loaded
        needs = handler.needs - handler.spares(event, loaded.task)
        standing, issue = await asyncio.gather(self._standing(needs, event), self._issue(needs, event, loaded))
        if issue and Need.RECORD in needs and loaded.task is None:
            loaded = await self._rebuilt(_task(event), issue, loaded)
        snapshot = replace(
            outline,
            record=loaded.task,
            issue=issue,
            standing=standing,
            **await self._about_pull(needs, event, loaded),
            head=await self._head(needs, event, loaded),
            tasks=await self._tasks(needs, event),
            comments=await self._comments(needs, event, loaded),
            decisions=await self._decisions(needs, event),
            board=loaded.board,
            ledger=loaded.ledger or await self._experience(needs, event),
            file=loaded.file,
            given=await self._given(needs, event, loaded, outline.policy.trigger),
            pool=await self._pool(needs),
            **await self._links(needs, event),
            found=await self.configs.find(_repository(event)) if Need.FILE in needs else None,
        )
        return snapshot, loaded

    async def _pool(self, needs: Needs) -> Pool:
        """Look at the head of the board for what is known of the agents."""
        board = (await self.records.load(ADMISSION)).board if Need.POOL in needs else None
        return pool_of(board) if board else Pool()

    async def _standing(self, needs: Needs, event: Any) -> Standing | None:
        if Need.STANDING not in needs or (event.actor.is_bot and not is_named(event.actor, self.policy)):
            return None
        return await self.standings.of(event.task.repository, event.actor)

    async def _issue(self, needs: Needs, event: Event, loaded: Loaded) -> Issue | None:
        """Read the issue if it is asked for, or if the record is and the store does not have it."""
        lost = Need.RECORD in needs and loaded.task is None
        if Need.ISSUE not in needs and not lost:
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

    async def _about_pull(self, needs: Needs, event: Any, loaded: Loaded) -> dict[str, Any]:
        """Read what is asked for about a pull request and its head."""
        record, number = loaded.task, _pull_number(event, loaded.task)
        if number is None or not needs & ON_PULL:
            return {}
        repository, found = _repository(event), dict[str, Any]()
        try:
            if Need.PULL in needs:
                found["pull"] = await self.github.pull(repository, number)
            if Need.COMMENTS in needs:
                found["pull_comments"] = tuple(await self.github.comments(repository, number))
            if Need.REVIEWS in needs:
                found["reviews"] = tuple(await self.github.reviews(repository, number))
            if Need.THREADS in needs:
                found["threads"] = tuple(await self.github.threads(repository, number))
            if Need.CHECKS in needs and record and record.head_sha and record.status is Status.IN_REVIEW:
                found["checks"] = tuple(await self.github.checks(repository, record.head_sha))
            if Need.MERGE in needs and record and record.merge:
                found["merge"] = await self.github.merge_view(repository, number)
        except Missing:
            log().info("the pull request, or something of it, is not there", pull=number)
        return found

    async def _comments(self, needs: Needs, event: Any, loaded: Loaded) -> tuple[Comment, ...]:
        if Need.COMMENTS not in needs or loaded.task is None:
            return ()
        try:
            return tuple(await self.github.comments(event.task.repository, event.task.number))
        except Missing:
            return ()

    async def _decisions(self, needs: Needs, event: Event) -> tuple[tuple[datetime, str], ...]:
        if Need.DECISIONS not in needs:
            return ()
        return tuple(await self.records.decisions(event.group))

    async def _head(self, needs: Needs, event: Any, loaded: Loaded) -> str | None:
        """Look where the branch is, if Orch has made one."""
        if Need.HEAD not in needs or loaded.task is None or loaded.task.head_sha is None:
            return None
        return await self.github.branch_head(event.task.repository, loaded.task.branch)

    async def _given(self, needs: Needs, event: Any, loaded: Loaded, trigger: str) -> LabelGiven | None:
        """Ask when the trigger was put on, where it may take a task up again: its webhook may be an old one."""
        if Need.GIVEN not in needs or loaded.task is None or not can(loaded.task.status, Trigger.ROUTE):
            return None
        if not any(is_same_label(event.label, one) for one in (trigger, PLAN_LABEL)):
            return None
        return await self.github.label_given(event.task.repository, event.task.number, event.label)

    async def _experience(self, needs: Needs, event: Any) -> Ledger | None:
        """Read what the installation's runs came to so far."""
        if Need.EXPERIENCE not in needs:
            return None
        return (await self.records.load(ledger_group(_repository(event).installation_id))).ledger

    async def _links(self, needs: Needs, event: Any) -> dict[str, Any]:
        """Read what the issue is linked with."""
        found = dict[str, Any]()
        if not needs & LINKS:
            return found
        repository, number = event.task.repository, event.task.number
        with suppress(Missing):
            if Need.BLOCKERS in needs:
                found["blockers"] = tuple(await self.github.blocked_by(repository, number))
            if Need.BLOCKING in needs:
                found["blocking"] = tuple(await self.github.blocking(repository, number))
            if Need.CHILDREN in needs:
                found["children"] = tuple(await self.github.sub_issues(repository, number))
        return found

    async def _tasks(self, needs: Needs, event: Event) -> tuple[TaskRecord, ...]:
        if Need.TASKS not in needs:
            return ()
        return tuple(await self.records.tasks(split_group(event.group)[0], UNFINISHED))


def _repository(event: Any) -> Repository:
    repository = event.task.repository if hasattr(event, "task") else event.repository
    assert isinstance(repository, Repository)
    return repository


def _pull_number(event: Any, record: TaskRecord | None) -> int | None:
    """Return the event's own pull request, else the task's."""
    given = getattr(event, "pull", None) or (event.number if isinstance(event, PullCommented) else None)
    return given or (record.pull if record else None)


def _task(event: Any) -> TaskRef:
    task = event.task
    assert isinstance(task, TaskRef)
    return task
