"""Looking for what was missed: one repository that cannot be read keeps no other from being looked at."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from app.config_files import ConfigFiles
from app.cursor import Cursor, Look
from app.domain.config import RepoFile
from app.domain.config_keys import RepoConfig
from app.domain.effects import CreateLabels, Decision, Send
from app.domain.errors import Missing, Permanent, Retryable
from app.domain.events import Commented, ConfigWanted, IssueLabeled, RepositoriesAdded, TaskChecked
from app.domain.facts import Actor, Comment, Delivery, FoundComment, Issue, LabelGiven
from app.domain.internal import disclose
from app.domain.names import Repository, TaskRef, config_group
from app.domain.policy import Policy
from app.domain.record import MergeWish, TaskRecord
from app.domain.snapshot import Snapshot
from app.domain.task import Status
from app.ports import GitHub
from app.reconcile import Reconcile
from app.records import Records
from app.replay import Replay
from handlers.installations import repositories_added
from tests.integration.core_stage import IDENTITY, NOW, Stage, open_stage, task_record

WRITER = Actor(id=11, login="writer", is_bot=False)


def issue_of(number: int, *labels: str, is_open: bool = True) -> Issue:
    on = frozenset(labels)
    return Issue(number=number, title="t", body="b", is_open=is_open, labels=on, comments=1, updated_at=NOW)


@dataclass(slots=True)
class FakeGitHub:
    """Repositories with the same issues each, one in progress; labels were put on those in `given`.

    Those in `closed` refuse, deliveries in `refused` too.
    """

    known: Sequence[Repository]
    closed: dict[int, Exception] = field(default_factory=dict)
    files: dict[int, bytes] = field(default_factory=dict)
    labels: list[tuple[int, str]] = field(default_factory=list)
    failed: Sequence[Delivery] = ()
    refused: frozenset[int] = frozenset()
    redelivered: list[int] = field(default_factory=list)
    issues: Sequence[Issue] = field(default_factory=lambda: [issue_of(1, "orch", "status:in_progress")])
    given: frozenset[int] = frozenset()
    giver: Actor = WRITER
    changed: datetime | None = None
    comments: Sequence[FoundComment] = ()
    since: list[datetime] = field(default_factory=list)
    failing: bool = False

    async def repositories(self) -> Sequence[Repository]:
        return self.known

    async def file(self, repository: Repository, path: str) -> bytes | None:
        return self.files.get(repository.id)

    async def issues_labeled(self, repository: Repository, label: str, state: str) -> Sequence[Issue]:
        self.labels.append((repository.id, label))
        if repository.id in self.closed:
            raise self.closed[repository.id]
        return [one for one in self.issues if label in one.labels]

    async def label_given(self, repository: Repository, number: int, label: str) -> LabelGiven | None:
        return LabelGiven(actor=self.giver, created_at=NOW) if number in self.given else None

    async def text_changed(self, repository: Repository, number: int) -> datetime | None:
        return self.changed

    async def issue(self, repository: Repository, number: int) -> Issue:
        return issue_of(number)

    async def comments_since(self, repository: Repository, since: datetime) -> Sequence[FoundComment]:
        self.since.append(since)
        return self.comments

    async def failed_deliveries(self, since: datetime | None = None) -> Sequence[Delivery]:
        return [one for one in self.failed if since is None or one.delivered_at > since]

    async def redeliver(self, delivery_id: int) -> None:
        if self.failing:
            raise Retryable("502")
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
    replay = Replay(port, IDENTITY, ())
    return Reconcile(port, stage.events, stage.clock, Policy(), configs, records, cursor, replay)


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


async def test_a_sweep_looks_at_what_is_open_and_asks_for_two_lists(stage: Stage) -> None:
    github, known = (
        FakeGitHub([repository(1)], issues=()),
        task_record(task=TaskRef(repository=repository(1), number=8)),
    )
    ended = task_record(task=TaskRef(repository=repository(1), number=9), status=Status.DONE)
    for one in (known, ended):
        await Records(stage.store).commit(one.group, "made", Decision("because", one), 0, NOW)
    await reconcile_of(stage, github).sweep()
    assert [event for event in await sent(stage) if isinstance(event, TaskChecked)] == [TaskChecked(task=known.task)]
    assert github.labels == [(1, "orch"), (1, "plan")]


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
    asked = [asked for asked in github.labels if not asked[1].startswith("status:")]
    assert asked == [(1, "ai"), (1, "plan"), (2, "orch"), (2, "plan")]


async def test_a_file_that_cannot_be_followed_leaves_the_trigger_that_was_known(stage: Stage) -> None:
    known = RepoFile(config=RepoConfig(trigger="ai"), digest="before")
    await Records(stage.store).commit(config_group(1), "made", Decision("because", known), 0, NOW)
    github = FakeGitHub([repository(1)], files={1: b"triger: bot"})
    await reconcile_of(stage, github)()
    assert (1, "ai") in github.labels


async def labels_missed(stage: Stage, *records: TaskRecord, **seen: Any) -> list[object]:
    """Sweep a repository whose issue 8 has the trigger, and list the labels that are told."""
    issues = seen.pop("issues", [issue_of(8, "orch")])
    github = FakeGitHub([repository(1)], issues=issues, **{"given": frozenset({8}), **seen})
    for one in records:
        await Records(stage.store).commit(one.group, "made", Decision("because", one), 0, NOW)
    await reconcile_of(stage, github).sweep()
    return [event for event in await sent(stage) if isinstance(event, IssueLabeled)]


EIGHT = TaskRef(repository=repository(1), number=8)
LABELED = IssueLabeled(task=EIGHT, label="orch", actor=WRITER, title="t", body="b")
SECOND = timedelta(seconds=1)


async def test_a_wish_for_a_plan_that_was_missed_is_told(stage: Stage) -> None:
    told = await labels_missed(stage, issues=[issue_of(8, "plan")])
    assert told == [LABELED.model_copy(update={"label": "plan"})]


async def test_nobody_is_asked_who_labelled_what_waits_for_other_issues(stage: Stage) -> None:
    blocked = task_record(task=EIGHT, status=Status.BLOCKED)
    assert await labels_missed(stage, blocked) == []


async def test_a_label_that_was_missed_is_told_with_who_put_it_on(stage: Stage) -> None:
    assert await labels_missed(stage) == [LABELED]


@pytest.mark.parametrize("changed", [None, NOW - SECOND])
async def test_a_comment_after_the_label_keeps_nobody_from_following_it(stage: Stage, changed: datetime | None) -> None:
    touched = issue_of(8, "orch").model_copy(update={"updated_at": NOW + SECOND})
    assert await labels_missed(stage, issues=[touched], changed=changed) == [LABELED]


@pytest.mark.parametrize(
    "seen",
    [
        {"changed": NOW},
        {"given": frozenset()},
        {"giver": Actor(id=IDENTITY.bot_id, login="orch[bot]", is_bot=True)},
        {"issues": [issue_of(8, "orch", is_open=False)]},
        {"issues": [issue_of(8, "orch", "status:done")]},
    ],
)
async def test_i7_a_label_is_not_followed_where_that_may_be_wrong(stage: Stage, seen: dict[str, Any]) -> None:
    assert await labels_missed(stage, **seen) == []


@pytest.mark.parametrize(
    ("status", "since", "found"),
    [
        (Status.PAUSED, NOW, [LABELED]),
        (Status.NEEDS_REVIEW, NOW - SECOND, [LABELED]),
        (Status.CANCELLED, NOW, [LABELED]),
        (Status.PAUSED, NOW + SECOND, []),
        (Status.IN_PROGRESS, NOW, []),
    ],
)
async def test_a_label_put_on_again_since_the_task_waits_is_told(
    stage: Stage, status: Status, since: datetime, found: list[object]
) -> None:
    shown = [issue_of(8, "orch", f"status:{status}")]
    assert await labels_missed(stage, task_record(task=EIGHT, status=status, since=since), issues=shown) == found


async def test_automerge_put_on_in_review_is_told_unless_it_is_wished_for(stage: Stage) -> None:
    shown = [issue_of(8, "orch", "status:in_review", "automerge")]
    record = task_record(task=EIGHT, status=Status.IN_REVIEW, since=NOW)
    [told] = await labels_missed(stage, record, issues=shown, changed=NOW + SECOND)
    assert told == LABELED.model_copy(update={"label": "automerge"})
    wished = task_record(task=EIGHT.model_copy(update={"number": 9}), status=Status.IN_REVIEW, merge=MergeWish(by="a"))
    assert await labels_missed(stage, wished, issues=[issue_of(9, "orch", "automerge")]) == []


async def test_a_sweep_sees_that_the_configuration_is_another_one_and_looks_for_its_trigger(stage: Stage) -> None:
    known = RepoFile(config=RepoConfig(trigger="ai"), digest="before")
    await Records(stage.store).commit(config_group(1), "made", Decision("because", known), 0, NOW)
    github = FakeGitHub([repository(1)], files={1: b"trigger: bot"})
    await reconcile_of(stage, github).sweep()
    assert ConfigWanted(repository=repository(1)) in await sent(stage)
    assert github.labels == [(1, "bot"), (1, "plan")]


async def test_a_sweep_reads_nothing_anew_where_the_configuration_is_the_same(stage: Stage) -> None:
    await reconcile_of(stage, FakeGitHub([repository(1)])).sweep()
    assert [event for event in await sent(stage) if isinstance(event, ConfigWanted)] == []


async def test_a_repository_that_was_added_unseen_gets_its_labels_once(stage: Stage) -> None:
    identities = set()
    for _ in range(2):
        await reconcile_of(stage, FakeGitHub([repository(1)], issues=())).sweep()
        while lease := await stage.events.receive(0):
            identities.add((lease.item.name, lease.item.id))
            await lease.ack()
    assert [name for name, _ in identities] == ["repositories_added"]


def said(body: str = "/why", *, age: float = 90, author: Actor = WRITER, **more: Any) -> FoundComment:
    at = NOW - timedelta(seconds=age)
    comment = Comment(id=50, author=author, body=body, created_at=at, edited_at=at)
    return FoundComment(**{"number": 8, "on_pull": False, "seen": False, "comment": comment, **more})


async def comments_missed(stage: Stage, *comments: FoundComment, **seen: Any) -> list[Commented]:
    github = FakeGitHub([repository(1)], comments=comments, issues=(), **seen)
    await Cursor(stage.store).write(NOW - timedelta(minutes=2))
    await reconcile_of(stage, github).sweep()
    assert github.since == [NOW.replace(year=2025, month=12, day=31, hour=23)]
    return [event for event in await sent(stage) if isinstance(event, Commented)]


async def test_a_command_on_an_issue_that_is_no_task_is_told_with_its_text(stage: Stage) -> None:
    [told] = await comments_missed(stage, said())
    assert (told.task, told.body, told.actor, told.before) == (EIGHT, "/why", WRITER, None)
    assert (told.title, told.text) == ("t", "b")


async def test_i7_a_text_changed_since_is_not_told_as_that_of_the_comment(stage: Stage) -> None:
    [told] = await comments_missed(stage, said("@orch please"), changed=NOW)
    assert (told.title, told.text) == (None, None)


@pytest.mark.parametrize(
    "found",
    [
        said("Hm."),
        said(seen=True),
        said(on_pull=True),
        said(author=Actor(id=3, login="x[bot]", is_bot=True)),
        said(age=30),
        said(age=150),
    ],
    ids=["says nothing to Orch", "was followed", "is on a pull request", "is a bot's", "may still come", "is older"],
)
async def test_other_comments_are_left_alone(stage: Stage, found: FoundComment) -> None:
    assert await comments_missed(stage, found) == []


async def test_comments_on_open_tasks_are_left_to_the_look_at_them(stage: Stage) -> None:
    record = task_record(task=EIGHT)
    await Records(stage.store).commit(record.group, "made", Decision("because", record), 0, NOW)
    assert await comments_missed(stage, said()) == []


async def test_a_comment_that_is_found_again_is_handled_once(stage: Stage) -> None:
    github = FakeGitHub([repository(1)], comments=[said()], issues=())
    known = set()
    for _ in range(2):
        await Cursor(stage.store).write(NOW - timedelta(minutes=2))
        await reconcile_of(stage, github).sweep()
        while lease := await stage.events.receive(0):
            known.add((lease.item.name, lease.item.id))
            await lease.ack()
    assert [name for name, _ in known].count("commented") == 1


async def test_a_first_look_asks_for_no_comments(stage: Stage) -> None:
    github = FakeGitHub([repository(1)])
    await reconcile_of(stage, github).sweep()
    assert github.since == []


async def test_i12_a_failed_attempt_that_is_listed_again_is_asked_for_once(stage: Stage) -> None:
    github = FakeGitHub([], failed=[Delivery(id=1, guid="1", delivered_at=NOW - timedelta(seconds=9))])
    await reconcile_of(stage, github).redeliver()
    github.failed = [*github.failed, Delivery(id=2, guid="1", delivered_at=NOW)]
    await reconcile_of(stage, github).redeliver()
    assert github.redelivered == [1, 2]


async def test_i1_what_was_not_asked_for_because_github_failed_is_asked_for_the_next_time(stage: Stage) -> None:
    failed = [Delivery(id=1, guid="1", delivered_at=NOW - timedelta(minutes=9))]
    github = FakeGitHub([], failed=failed, failing=True)
    with pytest.raises(Retryable):
        await reconcile_of(stage, github).redeliver()
    github.failing = False
    await reconcile_of(stage, github).redeliver()
    assert github.redelivered == [1]


async def test_the_last_look_outlives_the_process(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as before:
        assert await Cursor(before.store).read() == Look()
        await Cursor(before.store).write(NOW, [3, 1])
    async with open_stage(tmp_path) as after:
        assert await Cursor(after.store).read() == Look(NOW, frozenset({1, 3}))
