"""A webhook that tells late, or again, of a label: what it asked for was followed, and is not followed anew."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest

from app.config_files import ConfigFiles
from app.domain.effects import Decision, nothing
from app.domain.events import IssueLabeled
from app.domain.facts import Issue, LabelGiven, LinkedIssue, Permission, Standing
from app.domain.missed import is_followed
from app.domain.names import Repository
from app.domain.record import MergeWish
from app.domain.task import Status
from app.ports import GitHub, Store
from app.rebuild import Rebuild
from app.records import Records
from app.standings import Standings
from handlers.issues import HANDLERS, issue_labeled, issue_unlabeled
from handlers.snapshot import SnapshotLoader
from tests.unit import build
from tests.unit.build import IDENTITY, KEYRING, NOW, POLICY, TASK, WRITER
from tests.unit.ports import FakeStore, StillClock

PAUSED = build.record(Status.PAUSED, since=NOW)
ON_ISSUE = build.issue("orch", "automerge")


def given(seconds: float) -> LabelGiven:
    return LabelGiven(actor=WRITER, created_at=NOW + timedelta(seconds=seconds))


def labeled(seconds: float | None) -> Decision:
    known = None if seconds is None else given(seconds)
    return issue_labeled(build.labeled(), build.snapshot(PAUSED, ON_ISSUE, Permission.WRITE, given=known))


def test_i2_a_label_from_before_the_task_was_stopped_does_not_set_it_going_again() -> None:
    assert labeled(-1) == nothing("the label was put on before the task came to wait, and was followed then")


@pytest.mark.parametrize("seconds", [0, 1, None])
def test_a_label_put_on_since_sets_it_going(seconds: float | None) -> None:
    record = labeled(seconds).record
    assert record is not None
    assert getattr(record, "status", None) is Status.ROUTED


def test_a_label_counts_as_new_where_nobody_knows_since_when_the_task_waits() -> None:
    assert not is_followed(PAUSED.change(since=None), given(-1))


def test_githubs_clock_counts_whole_seconds() -> None:
    record = PAUSED.change(since=NOW + timedelta(milliseconds=900))
    assert not is_followed(record, given(0))


def test_i2_automerge_means_what_is_on_the_issue_now() -> None:
    record = build.record(Status.IN_REVIEW, pull=30)
    late = nothing("the label was changed again since")
    off, on = (build.snapshot(record, issue, Permission.WRITE) for issue in (build.issue("orch"), ON_ISSUE))
    assert issue_labeled(build.labeled("automerge"), off) == late
    assert issue_unlabeled(build.unlabeled("automerge"), on) == late
    assert issue_labeled(build.labeled("automerge"), build.snapshot(record, None, Permission.WRITE)) == late
    wished = issue_labeled(build.labeled("automerge"), on).record
    assert isinstance(getattr(wished, "merge", None), MergeWish)


def test_a_status_that_stays_keeps_its_beginning() -> None:
    later = NOW + timedelta(minutes=1)
    assert PAUSED.dated(PAUSED, later) == PAUSED
    assert PAUSED.dated(build.record(Status.IN_REVIEW), later).since == later
    assert PAUSED.dated(None, later).since == later


@dataclass
class Given:
    """A GitHub that counts how often it is asked when a label was put on."""

    asked: int = 0
    issues: dict[int, Issue] = field(default_factory=lambda: {TASK.number: ON_ISSUE})

    async def label_given(self, repository: Repository, number: int, label: str) -> LabelGiven:
        self.asked += 1
        return given(0)

    async def issue(self, repository: Repository, number: int) -> Issue:
        return self.issues[number]

    async def blocked_by(self, repository: Repository, number: int) -> tuple[LinkedIssue, ...]:
        return ()

    async def standing(self, repository: Repository, login: str) -> Standing:
        return build.standing(Permission.WRITE)


async def loaded(github: Given, event: IssueLabeled, status: Status | None) -> Any:
    store = cast(Store, FakeStore())
    records, port, clock = Records(store), cast(GitHub, github), StillClock()
    if status is not None:
        await records.restore(build.record(status))
    loader = SnapshotLoader(
        records=records,
        github=port,
        rebuild=Rebuild(port, IDENTITY, KEYRING),
        clock=clock,
        identity=IDENTITY,
        policy=POLICY,
        configs=ConfigFiles(records, port, ()),
        standings=Standings(port, clock),
    )
    handler = next(one for one in HANDLERS if one.event is IssueLabeled)
    outline = build.snapshot()
    snapshot, _ = await loader.load(handler, event, outline)
    return snapshot.given


async def test_github_is_asked_only_where_the_label_may_take_a_task_up_again() -> None:
    github = Given()
    assert await loaded(github, build.labeled(), Status.IN_REVIEW) is None
    assert await loaded(github, build.labeled("automerge"), Status.PAUSED) is None
    assert github.asked == 0
    assert await loaded(github, build.labeled(), Status.PAUSED) == given(0)
