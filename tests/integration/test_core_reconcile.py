"""Looking for what was missed: one repository that cannot be read keeps no other from being looked at."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from app.config_files import ConfigFiles
from app.cursor import Cursor
from app.domain.config import RepoFile
from app.domain.config_keys import RepoConfig
from app.domain.effects import CreateLabels, Decision, Send
from app.domain.errors import Missing, Permanent, Retryable
from app.domain.events import ConfigWanted, RepositoriesAdded, TaskChecked
from app.domain.facts import Actor, Delivery, Issue, LabelGiven
from app.domain.internal import disclose
from app.domain.names import Repository, TaskRef, config_group
from app.domain.policy import Policy
from app.domain.snapshot import Snapshot
from app.domain.task import Status
from app.ports import GitHub
from app.reconcile import Reconcile
from app.records import Records
from handlers.installations import repositories_added
from tests.integration.core_stage import IDENTITY, NOW, Stage, open_stage, task_record


@dataclass(slots=True)
class FakeGitHub:
    """Repositories with one issue each in progress; those in `closed` refuse, deliveries in `refused` too."""

    known: Sequence[Repository]
    closed: dict[int, Exception] = field(default_factory=dict)
    files: dict[int, bytes] = field(default_factory=dict)
    labels: list[tuple[int, str]] = field(default_factory=list)
    failed: Sequence[Delivery] = ()
    refused: frozenset[int] = frozenset()
    redelivered: list[int] = field(default_factory=list)

    async def repositories(self) -> Sequence[Repository]:
        return self.known

    async def file(self, repository: Repository, path: str) -> bytes | None:
        return self.files.get(repository.id)

    async def issues_labeled(self, repository: Repository, label: str, state: str) -> Sequence[Issue]:
        self.labels.append((repository.id, label))
        if repository.id in self.closed:
            raise self.closed[repository.id]
        if label != "status:in_progress":
            return []
        labels = frozenset({"orch", label})
        return [Issue(number=1, title="t", body="", is_open=True, labels=labels, comments=1, updated_at=NOW)]

    async def label_given(self, repository: Repository, number: int, label: str) -> LabelGiven | None:
        return LabelGiven(actor=Actor(id=1, login="writer", is_bot=False), created_at=NOW)

    async def failed_deliveries(self, since: datetime | None = None) -> Sequence[Delivery]:
        return [one for one in self.failed if since is None or one.delivered_at > since]

    async def redeliver(self, delivery_id: int) -> None:
        if delivery_id in self.refused:
            raise Missing("it is too old")
        self.redelivered.append(delivery_id)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path) as opened:
        yield opened


def repository(number: int) -> Repository:
    return Repository(id=number, installation_id=3, owner="acme", name=f"r{number}")


def reconcile_of(stage: Stage, github: FakeGitHub) -> Reconcile:
    port = cast(GitHub, github)
    records = Records(stage.store)
    configs, cursor = ConfigFiles(records, port, ()), Cursor(stage.store)
    return Reconcile(port, stage.events, stage.clock, Policy(), configs, records, cursor)


async def sent(stage: Stage) -> list[object]:
    events: list[object] = []
    while lease := await stage.events.receive(0):
        events.append(disclose(lease.item))
        await lease.ack()
    return events


@pytest.mark.parametrize("error", [Missing("issues are disabled"), Permanent("blocked")])
async def test_a_repository_that_refuses_keeps_no_other_from_being_checked(stage: Stage, error: Exception) -> None:
    github = FakeGitHub([repository(1), repository(2)], {1: error})
    await reconcile_of(stage, github)()
    checked = [event for event in await sent(stage) if isinstance(event, TaskChecked)]
    assert checked == [TaskChecked(task=TaskRef(repository=repository(2), number=1))]


async def test_a_passing_fault_is_raised_so_that_it_is_tried_again(stage: Stage) -> None:
    github = FakeGitHub([repository(1)], {1: Retryable("502")})
    with pytest.raises(Retryable):
        await reconcile_of(stage, github)()


async def test_i1_a_delivery_that_cannot_be_redelivered_holds_up_no_other(stage: Stage) -> None:
    failed = [Delivery(id=number, guid=str(number), delivered_at=NOW - timedelta(days=3)) for number in (1, 2, 3)]
    github = FakeGitHub([], failed=failed, refused=frozenset({1}))
    await reconcile_of(stage, github).redeliver()
    assert github.redelivered == [2, 3]


async def test_i12_a_failed_delivery_is_asked_for_once(stage: Stage) -> None:
    now = stage.clock.now()
    github = FakeGitHub([], failed=[Delivery(id=1, guid="1", delivered_at=now - timedelta(minutes=9))])
    for _ in range(2):
        await reconcile_of(stage, github).redeliver()
    assert github.redelivered == [1]


async def test_a_sweep_looks_at_what_is_open_and_asks_for_one_list(stage: Stage) -> None:
    github, known = FakeGitHub([repository(1)]), task_record(task=TaskRef(repository=repository(1), number=8))
    ended = task_record(task=TaskRef(repository=repository(1), number=9), status=Status.DONE)
    for one in (known, ended):
        await Records(stage.store).commit(one.group, "made", Decision("because", one), 0, NOW)
    await reconcile_of(stage, github).sweep()
    assert await sent(stage) == [TaskChecked(task=known.task)]
    assert github.labels == [(1, "orch")]


async def test_one_more_repository_gets_its_labels_however_many_there_were(stage: Stage) -> None:
    many = [repository(100_000 + number) for number in range(50)]
    for known in (many, [*many, repository(7)]):
        await reconcile_of(stage, FakeGitHub(known))()
    added = [event for event in await sent(stage) if isinstance(event, RepositoriesAdded)]
    assert [len(event.repositories) for event in added] == [50, 51]


def test_many_repositories_are_prepared_a_part_at_a_time() -> None:
    everything = tuple(repository(number) for number in range(250))
    event = RepositoriesAdded(installation_id=3, repositories=everything)
    snapshot = Snapshot(now=NOW, identity=IDENTITY, policy=Policy())
    sent_on = [effect.event for effect in repositories_added(event, snapshot).effects if isinstance(effect, Send)]
    parts = [part for part in sent_on if isinstance(part, RepositoriesAdded)]
    effects = [effect for part in parts for effect in repositories_added(part, snapshot).effects]
    prepared = [effect.repository for effect in effects if isinstance(effect, CreateLabels)]
    assert prepared == list(everything)
    assert len(parts) < 90


async def test_every_repository_is_checked_by_its_own_trigger_and_read_again(stage: Stage) -> None:
    one, other = repository(1), repository(2)
    github = FakeGitHub([one, other], files={1: b"trigger: ai"})
    await reconcile_of(stage, github)()
    assert [event.repository for event in await sent(stage) if isinstance(event, ConfigWanted)] == [one, other]
    assert [asked for asked in github.labels if not asked[1].startswith("status:")] == [(1, "ai"), (2, "orch")]


async def test_a_file_that_cannot_be_followed_leaves_the_trigger_that_was_known(stage: Stage) -> None:
    known = RepoFile(config=RepoConfig(trigger="ai"), digest="before")
    await Records(stage.store).commit(config_group(1), "made", Decision("because", known), 0, NOW)
    github = FakeGitHub([repository(1)], files={1: b"triger: bot"})
    await reconcile_of(stage, github)()
    assert (1, "ai") in github.labels
