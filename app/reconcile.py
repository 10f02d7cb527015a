"""Look for what was missed while Orch was not running: deliveries, labels, merges."""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from app.config_files import ConfigFiles
from app.cursor import Cursor
from app.domain.config import resolve
from app.domain.envelope import Source
from app.domain.errors import Permanent
from app.domain.events import ConfigWanted, Event, IssueLabeled, RepositoriesAdded, TaskChecked
from app.domain.facts import Issue
from app.domain.internal import enclose
from app.domain.labels import status_label, statuses_on
from app.domain.names import Repository, TaskRef
from app.domain.policy import Policy
from app.domain.task import Status
from app.log import log
from app.ports import Clock, EventQueue, GitHub
from app.records import Records

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

    async def __call__(self) -> None:
        """Check every repository and redeliver what failed; what GitHub refuses is logged and passed over."""
        repositories = await self.github.repositories()
        for repository in repositories:
            with _passing_over("repository not checked", repository=repository.full_name):
                await self._check(repository)
        await self._prepare(repositories)
        await self.redeliver()

    async def sweep(self) -> None:
        """Do what is done every few minutes: redeliver, and look at what is open as far as the store knows of it."""
        await self.redeliver()
        for repository in await self.github.repositories():
            with _passing_over("repository not checked", repository=repository.full_name):
                await self._sweep(repository)

    async def _sweep(self, repository: Repository) -> None:
        """Ask for one list: labels that were missed are found by it, and what is open is in the store."""
        trigger = resolve(self.policy, await self.configs.known(repository)).policy.trigger
        labelled = {issue.number: issue for issue in await self.github.issues_labeled(repository, trigger, "open")}
        open_tasks = [one for one in await self.records.tasks(repository.partition) if not one.status.is_final]
        for number in sorted({*labelled, *(one.task.number for one in open_tasks)}):
            with _passing_over("issue not checked", task=f"{repository.full_name}#{number}"):
                await self._check_issue(repository, number, labelled.get(number), trigger)

    async def those(self, repository_ids: Collection[int]) -> None:
        """Check the repositories, as far as they can be seen."""
        for repository in await self.github.repositories():
            if repository.id in repository_ids:
                with _passing_over("repository not checked", repository=repository.full_name):
                    await self._check(repository)

    async def announce(self, installation: int, identity: str) -> None:
        """Send an event, known by `identity`, as if all of the installation's repositories had just been added."""
        members = [one for one in await self.github.repositories() if one.installation_id == installation]
        event = RepositoriesAdded(installation_id=installation, repositories=tuple(members), check=True)
        if members:
            await self.events.send(enclose(event, identity, self.clock.now()))

    async def redeliver(self) -> None:
        """Ask GitHub to deliver again what it could not deliver, each failed attempt once."""
        started = self.clock.now()
        for delivery in await self.github.failed_deliveries(await self.cursor.read()):
            log().info("asking for redelivery", delivery=delivery.guid)
            with _passing_over("not redelivered", delivery=delivery.guid):
                await self.github.redeliver(delivery.id)
        await self.cursor.write(started - OVERLAP)

    async def _prepare(self, repositories: Sequence[Repository]) -> None:
        by_installation: dict[int, list[Repository]] = {}
        for repository in repositories:
            by_installation.setdefault(repository.installation_id, []).append(repository)
        for installation, members in by_installation.items():
            event = RepositoriesAdded(installation_id=installation, repositories=tuple(members))
            digest = sha256("-".join(str(member.id) for member in members).encode()).hexdigest()
            await self.events.send(enclose(event, f"labels:{installation}:{digest}", self.clock.now()))

    async def _check(self, repository: Repository) -> None:
        trigger = await self._trigger(repository)
        labels = [(trigger, "open"), *((status_label(status), "all") for status in UNFINISHED)]
        lists = await asyncio.gather(*(self.github.issues_labeled(repository, *label) for label in labels))
        issues = {issue.number: issue for found in lists for issue in found}
        for number in sorted(issues):
            with _passing_over("issue not checked", task=f"{repository.full_name}#{number}"):
                await self._check_issue(repository, number, issues[number], trigger)

    async def _trigger(self, repository: Repository) -> str:
        """Read `.orch.yml` for the trigger of now, and have its group take over what it says."""
        now = self.clock.now()
        event = ConfigWanted(repository=repository)
        await self.events.send(enclose(event, f"config:{repository.id}:{now.timestamp()}", now))
        return resolve(self.policy, await self.configs.current(repository)).policy.trigger

    async def _check_issue(self, repository: Repository, number: int, issue: Issue | None, trigger: str) -> None:
        task = TaskRef(repository=repository, number=number)
        if issue is not None and issue.is_open and not statuses_on(issue.labels):
            await self._missed_label(task, issue, trigger)
        await self._send(TaskChecked(task=task), f"check:{task.group}:{self.clock.now().timestamp()}")

    async def _send(self, event: Event, identity: str) -> None:
        await self.events.send(enclose(event, identity, self.clock.now(), source=Source.SWEEP))

    async def _missed_label(self, task: TaskRef, issue: Issue, trigger: str) -> None:
        """Take on an issue whose label was missed, unless its text may be another than when it was labelled."""
        given = await self.github.label_given(task.repository, task.number, trigger)
        if given is None:
            return
        if issue.updated_at > given.created_at:
            log().warning("label missed, and the issue was changed since", task=str(task))
            return
        event = IssueLabeled(task=task, label=trigger, actor=given.actor, title=issue.title, body=issue.body)
        await self._send(event, f"missed:{task.group}:{given.created_at.timestamp()}")


@contextmanager
def _passing_over(what: str, **ids: str) -> Iterator[None]:
    """Go on after a refusal: a repository with issues disabled must not keep Orch from starting."""
    try:
        yield
    except Permanent as error:
        log().warning(what, reason=str(error), **ids)
