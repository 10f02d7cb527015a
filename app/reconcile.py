"""Look for what was missed while Orch was not running: deliveries, labels, merges."""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from app.config_files import ConfigFiles
from app.cursor import Cursor
from app.domain.config import resolve
from app.domain.envelope import Source
from app.domain.errors import Permanent
from app.domain.events import ConfigWanted, Event, RepositoriesAdded, TaskChecked
from app.domain.facts import Issue
from app.domain.internal import enclose
from app.domain.labels import PLAN_LABEL, repository_labels, status_label
from app.domain.names import Repository, TaskRef
from app.domain.policy import Policy
from app.domain.record import TaskRecord
from app.domain.task import Status
from app.log import log
from app.ports import Clock, EventQueue, GitHub
from app.records import Records
from app.replay import Replay

OVERLAP = timedelta(minutes=2)
"""Deliveries may be listed a little late."""
UNFINISHED = tuple(status for status in Status if not status.is_final)


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Compare GitHub with what was handled; what seems to be missing becomes events."""

    github: GitHub
    events: EventQueue
    clock: Clock
    policy: Policy
    configs: ConfigFiles
    records: Records
    cursor: Cursor
    replay: Replay

    async def __call__(self) -> None:
        """Check every repository and redeliver what failed; what GitHub refuses is logged and passed over."""
        repositories, since = await self.github.repositories(), (await self.cursor.read()).until
        for repository in repositories:
            with _passing_over("repository not checked", repository=repository.full_name):
                await self._check(repository, since)
        await self._prepare(repositories)
        await self.redeliver()

    async def sweep(self) -> None:
        """Do what is done every few minutes: redeliver, and look at what is open as far as the store knows of it."""
        since = (await self.cursor.read()).until
        await self.redeliver()
        repositories = await self.github.repositories()
        await self._prepare(repositories)
        for repository in repositories:
            with _passing_over("repository not checked", repository=repository.full_name):
                await self._sweep(repository, since)

    async def _sweep(self, repository: Repository, since: datetime | None) -> None:
        """Ask for two lists: labels and comments that were missed are found by them, what is open is in the store."""
        known_file = await self.configs.known(repository)
        file = await self.configs.current(repository)
        if file.digest != known_file.digest:
            await self._want_config(repository)
        trigger = resolve(self.policy, file).policy.trigger
        labelled = await self._labelled(repository, [(trigger, "open"), (PLAN_LABEL, "open")])
        known = {one.task.number: one for one in await self.records.tasks(repository.partition)}
        open_tasks = {number for number, one in known.items() if not one.status.is_final}
        for number in sorted({*labelled, *open_tasks}):
            with _passing_over("issue not checked", task=f"{repository.full_name}#{number}"):
                await self._check_issue(repository, number, labelled.get(number), trigger, known.get(number))
        await self._hear(repository, since, open_tasks)

    async def _hear(self, repository: Repository, since: datetime | None, looked_at: Collection[int]) -> None:
        if since is not None:
            for found in await self.replay.comments(repository, since, self.clock.now(), looked_at):
                await self._send(*found)

    async def those(self, repository_ids: Collection[int]) -> None:
        """Check the repositories, as far as they can be seen."""
        for repository in await self.github.repositories():
            if repository.id in repository_ids:
                with _passing_over("repository not checked", repository=repository.full_name):
                    await self._check(repository, None)

    async def announce(self, installation: int, identity: str) -> None:
        """Send an event, known by `identity`, as if all of the installation's repositories had just been added."""
        members = [one for one in await self.github.repositories() if one.installation_id == installation]
        event = RepositoriesAdded(installation_id=installation, repositories=tuple(members), check=True)
        if members:
            await self.events.send(enclose(event, identity, self.clock.now()))

    async def redeliver(self) -> None:
        """Ask GitHub to deliver again what it could not deliver, each failed attempt once."""
        started, last = self.clock.now(), await self.cursor.read()
        failed = await self.github.failed_deliveries(last.until)
        for delivery in failed:
            if delivery.id in last.asked:
                continue
            log().info("asking for redelivery", delivery=delivery.guid)
            with _passing_over("not redelivered", delivery=delivery.guid):
                await self.github.redeliver(delivery.id)
        await self.cursor.write(started - OVERLAP, (delivery.id for delivery in failed))

    async def _prepare(self, repositories: Sequence[Repository]) -> None:
        names = [label.name for label in repository_labels(self.policy.trigger, self.policy.router.roles)]
        by_installation: dict[int, list[Repository]] = {}
        for repository in repositories:
            by_installation.setdefault(repository.installation_id, []).append(repository)
        for installation, members in by_installation.items():
            event = RepositoriesAdded(installation_id=installation, repositories=tuple(members))
            digest = sha256("-".join([*names, *(str(member.id) for member in members)]).encode()).hexdigest()
            await self.events.send(enclose(event, f"labels:{installation}:{digest}", self.clock.now()))

    async def _check(self, repository: Repository, since: datetime | None) -> None:
        trigger = await self._trigger(repository)
        statuses = ((status_label(status), "all") for status in UNFINISHED)
        issues = await self._labelled(repository, [(trigger, "open"), (PLAN_LABEL, "open"), *statuses])
        known = {one.task.number: one for one in await self.records.tasks(repository.partition)}
        for number in sorted(issues):
            with _passing_over("issue not checked", task=f"{repository.full_name}#{number}"):
                await self._check_issue(repository, number, issues[number], trigger, known.get(number))
        await self._hear(repository, since, issues)

    async def _labelled(self, repository: Repository, labels: Sequence[tuple[str, str]]) -> dict[int, Issue]:
        """List the issues with any of the labels, each with the state that is asked for."""
        lists = await asyncio.gather(*(self.github.issues_labeled(repository, *label) for label in labels))
        return {issue.number: issue for found in lists for issue in found}

    async def _trigger(self, repository: Repository) -> str:
        """Read `.orch.yml` for the trigger of now, and have its group take over what it says."""
        await self._want_config(repository)
        return resolve(self.policy, await self.configs.current(repository)).policy.trigger

    async def _want_config(self, repository: Repository) -> None:
        now = self.clock.now()
        event = ConfigWanted(repository=repository)
        await self.events.send(enclose(event, f"config:{repository.id}:{now.timestamp()}", now))

    async def _check_issue(
        self, repository: Repository, number: int, issue: Issue | None, trigger: str, record: TaskRecord | None
    ) -> None:
        task = TaskRef(repository=repository, number=number)
        missed = await self.replay.label(task, issue, trigger, record) if issue else None
        if missed:
            await self._send(*missed)
        await self._send(TaskChecked(task=task), f"check:{task.group}:{self.clock.now().timestamp()}")

    async def _send(self, event: Event, identity: str) -> None:
        await self.events.send(enclose(event, identity, self.clock.now(), source=Source.SWEEP))


@contextmanager
def _passing_over(what: str, **ids: str) -> Iterator[None]:
    """Go on after a refusal: a repository with issues disabled must not keep Orch from starting."""
    try:
        yield
    except Permanent as error:
        log().warning(what, reason=str(error), **ids)
