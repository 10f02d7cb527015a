from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest

from app.boards import HEAD, PARTITION, pack_head
from app.config_files import ConfigFiles
from app.domain.admission import Board
from app.domain.comment import render_comment
from app.domain.effects import Decision, nothing
from app.domain.events import (
    Event,
    PullChanged,
    PullDue,
    RepositoryDeleted,
    Reviewed,
    SlotFreed,
    Spent,
    TaskChecked,
)
from app.domain.facts import Actor, Comment, Permission, Pull, ReviewState
from app.domain.ledger import Ledger
from app.domain.pool import Pool
from app.domain.record import MergeWish, TaskRecord
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.task import Status
from app.ports import Document, GitHub, Store
from app.rebuild import Rebuild
from app.records import Loaded, Records
from app.standings import Standings
from handlers.registry import HANDLERS
from handlers.snapshot import SnapshotLoader
from tests.unit import build
from tests.unit.boards import board_of
from tests.unit.build import IDENTITY, JOB, KEYRING, NOW, POLICY, ROBOT, SELF, SHA, TASK, WRITER
from tests.unit.ports import FakeGitHub, FakeStore, StillClock

BARE = build.snapshot()
CHECK = TaskChecked(task=TASK)
LIVING = build.comment(77, render_comment(build.record(Status.ROUTED), KEYRING), SELF)


def handler(*needs: Need) -> Handler:
    return Handler(TaskChecked, frozenset(needs), never)


def never(event: Event, snapshot: Snapshot) -> Decision:
    return nothing("nothing")


@dataclass
class Desk:
    """A loader with its fakes."""

    github: FakeGitHub = field(default_factory=FakeGitHub)
    store: FakeStore = field(default_factory=FakeStore)

    def keep(self, value: TaskRecord | Ledger, partition: str = "repository:1", key: str = "record/12") -> None:
        self.store.documents[partition, key] = Document(key, 3, value.model_dump(mode="json"))

    async def load(self, event: Event, *needs: Need) -> tuple[Snapshot, Loaded]:
        """Load these needs, less what the event's own handler says that it can do without."""
        asked = replace(handler(*needs), spares=HANDLERS[type(event)].spares)
        return await self.loader.load(asked, event, await self.loader.outline(asked, event))

    @property
    def loader(self) -> SnapshotLoader:
        github = cast(GitHub, self.github)
        records = Records(cast(Store, self.store))
        return SnapshotLoader(
            records=records,
            github=github,
            rebuild=Rebuild(github, IDENTITY, KEYRING),
            clock=StillClock(),
            identity=IDENTITY,
            policy=POLICY,
            configs=ConfigFiles(records, github, POLICY.agents),
            standings=Standings(github, StillClock()),
        )


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_what_is_not_needed_is_not_read(desk: Desk) -> None:
    assert await desk.load(CHECK) == (BARE, Loaded(None, 0))
    assert desk.github.asked == []
    assert await desk.loader.outline(handler(Need.RECORD), CHECK) == BARE


async def test_a_record_in_the_store_costs_no_question(desk: Desk) -> None:
    desk.keep(build.record())
    assert await desk.load(CHECK, Need.RECORD) == (build.snapshot(build.record()), Loaded(build.record(), 3))
    assert desk.github.asked == []


async def test_record_and_issue_are_read(desk: Desk) -> None:
    desk.keep(build.record())
    desk.github.held_issue = build.issue("orch")
    snapshot, _ = await desk.load(CHECK, Need.RECORD, Need.ISSUE)
    assert snapshot == build.snapshot(build.record(), build.issue("orch"))


async def test_i9_a_record_that_the_store_lost_is_rebuilt_and_kept(desk: Desk) -> None:
    desk.github = FakeGitHub(build.issue("status:routed"), [LIVING], head=SHA, head_author=IDENTITY.bot_id)
    rebuilt = build.record(Status.ROUTED, comment_id=77, shown=(Status.ROUTED,), head_sha=SHA)
    snapshot, loaded = await desk.load(CHECK, Need.RECORD)
    assert (snapshot.record, loaded) == (rebuilt, Loaded(rebuilt, 1))
    assert await Records(cast(Store, desk.store)).load(TASK.group) == loaded


@pytest.mark.parametrize("author", [WRITER.id, None])
async def test_i9_a_head_that_somebody_else_made_is_not_taken_for_orchs_own(desk: Desk, author: int | None) -> None:
    desk.github = FakeGitHub(build.issue("status:routed"), [LIVING], head=SHA, head_author=author)
    snapshot, _ = await desk.load(CHECK, Need.RECORD)
    assert snapshot.record == build.record(Status.ROUTED, comment_id=77, shown=(Status.ROUTED,))


async def test_i9_a_head_that_the_record_knows_needs_no_question(desk: Desk) -> None:
    known = build.record(Status.IN_REVIEW, runs=(build.summary(),))
    living = LIVING.model_copy(update={"body": render_comment(known, KEYRING)})
    desk.github = FakeGitHub(build.issue("status:in_review"), [living], head=SHA)
    snapshot, _ = await desk.load(CHECK, Need.RECORD)
    assert snapshot.record == known.change(comment_id=77, shown=(Status.IN_REVIEW,), head_sha=SHA)
    assert "commit_author" not in desk.github.asked


@pytest.mark.parametrize(
    ("pull", "adopted"),
    [
        (build.pull(), 30),
        (build.pull(30, False, True), 30),
        (build.pull(30, False), None),
        (build.pull(31, False, True), None),
    ],
    ids=["open", "merged", "closed unmerged", "merged before the issue was reopened"],
)
async def test_i9_a_pull_request_that_still_counts_is_found_again(desk: Desk, pull: Pull, adopted: int | None) -> None:
    known = build.record(Status.NEEDS_REVIEW, merged_before=(31,))
    living = LIVING.model_copy(update={"body": render_comment(known, KEYRING)})
    desk.github = FakeGitHub(build.issue(), [living], pull)
    snapshot, _ = await desk.load(CHECK, Need.RECORD)
    assert snapshot.record == known.change(comment_id=77, pull=adopted)


@pytest.mark.parametrize("comments", [[], [build.comment(78, LIVING.body, WRITER)]])
async def test_i9_nobody_elses_comment_makes_a_record(desk: Desk, comments: list[Comment]) -> None:
    desk.github = FakeGitHub(build.issue("orch"), comments)
    snapshot, loaded = await desk.load(CHECK, Need.RECORD)
    assert (snapshot, loaded) == (build.snapshot(at=build.issue("orch")), Loaded(None, 0))


async def test_an_issue_that_is_gone_is_none(desk: Desk) -> None:
    assert await desk.load(CHECK, Need.RECORD, Need.ISSUE) == (BARE, Loaded(None, 0))
    assert desk.github.asked == ["issue"]


@pytest.mark.parametrize(("actor", "permission"), [(WRITER, Permission.WRITE), (ROBOT, None)])
async def test_i7_a_persons_standing_is_asked_and_a_bots_is_not(
    desk: Desk, actor: Actor, permission: Permission | None
) -> None:
    desk.github.permissions = {WRITER.login: Permission.WRITE}
    snapshot, _ = await desk.load(build.labeled(actor=actor), Need.STANDING)
    assert snapshot == build.snapshot(permission=permission)


async def test_i7_somebody_who_is_gone_may_do_nothing(desk: Desk) -> None:
    snapshot, _ = await desk.load(build.labeled(), Need.STANDING)
    assert snapshot == build.snapshot(permission=Permission.NONE)


async def test_where_the_record_decides_nothing_else_is_read(desk: Desk) -> None:
    desk.keep(build.record())
    settled = replace(handler(Need.RECORD, Need.ISSUE, Need.PULL), settled=lambda event, record: record.attempt == 1)
    loaded = await desk.loader.load(settled, CHECK, await desk.loader.outline(settled, CHECK))
    assert loaded == (build.snapshot(build.record()), Loaded(build.record(), 3))
    assert desk.github.asked == []


async def test_the_pull_request_that_the_event_names_is_read(desk: Desk) -> None:
    desk.keep(build.record())
    desk.github.held_pull = build.pull(31)
    event = PullChanged(task=TASK, pull=31, branch="orch/12-x", actor=WRITER)
    snapshot, _ = await desk.load(event, Need.RECORD, Need.PULL)
    assert snapshot == build.snapshot(build.record(), pull=build.pull(31))


@pytest.mark.parametrize(("made", "asked"), [(SHA, ["branch_head"]), (None, [])])
async def test_the_branch_is_looked_at_if_orch_made_it(desk: Desk, made: str | None, asked: list[str]) -> None:
    desk.keep(build.record(head_sha=made))
    desk.github.head = SHA
    snapshot, _ = await desk.load(CHECK, Need.RECORD, Need.HEAD)
    assert (snapshot.head, desk.github.asked) == (made, asked)


async def test_the_tasks_of_a_repository_are_listed(desk: Desk) -> None:
    desk.keep(build.record())
    event = RepositoryDeleted(repository=build.repository())
    snapshot, _ = await desk.load(event, Need.TASKS)
    assert snapshot == replace(BARE, tasks=(build.record(),))


async def test_a_pull_request_that_is_gone_is_none(desk: Desk) -> None:
    desk.keep(build.record(pull=30))
    snapshot, _ = await desk.load(CHECK, Need.RECORD, Need.PULL)
    assert (snapshot.pull, desk.github.asked) == (None, ["pull"])


async def test_the_pull_request_of_the_record_is_read(desk: Desk) -> None:
    desk.keep(build.record(pull=30))
    desk.github.held_pull = build.pull(30)
    snapshot, _ = await desk.load(CHECK, Need.RECORD, Need.PULL)
    assert snapshot == build.snapshot(build.record(pull=30), pull=build.pull(30))


@pytest.mark.parametrize("known", [True, False])
async def test_without_a_pull_request_none_is_asked_for(desk: Desk, known: bool) -> None:
    if known:
        desk.keep(build.record())
    snapshot, _ = await desk.load(CHECK, Need.RECORD, Need.PULL)
    assert (snapshot.pull, "pull" in desk.github.asked) == (None, False)


async def test_the_board_is_read(desk: Desk) -> None:
    board = board_of(holding=[JOB])
    desk.store.documents[PARTITION, HEAD] = Document(HEAD, 3, pack_head(board))
    event = SlotFreed(job_id=JOB.id)
    assert await desk.load(event, Need.BOARD) == (replace(BARE, board=board), Loaded(board, 3))


def test_a_handler_skips_nothing_unless_it_says_so() -> None:
    assert handler().skip(CHECK, BARE) is None


COMMENTS = (build.comment(60, "Hm."),)
IN_REVIEW = build.record(Status.IN_REVIEW, pull=30, head_sha=SHA)


async def test_what_hangs_on_a_pull_request_is_read_if_it_is_asked_for(desk: Desk) -> None:
    desk.keep(IN_REVIEW.change(merge=MergeWish(by="writer")))
    desk.github = FakeGitHub(
        held_comments=COMMENTS,
        held_threads=[build.thread(WRITER)],
        held_checks=[build.check()],
        held_view=build.view(),
    )
    seen, _ = await desk.load(CHECK, Need.RECORD, Need.COMMENTS, Need.REVIEWS, Need.THREADS, Need.CHECKS, Need.MERGE)
    assert (seen.comments, seen.pull_comments, seen.reviews) == (COMMENTS, COMMENTS, ())
    assert (seen.threads, seen.checks, seen.merge) == ((build.thread(WRITER),), (build.check(),), build.view())


async def test_checks_are_read_in_review_and_the_way_to_a_merge_only_where_it_is_wished_for(desk: Desk) -> None:
    desk.keep(build.record(pull=30, head_sha=SHA))
    seen, _ = await desk.load(CHECK, Need.RECORD, Need.CHECKS, Need.MERGE)
    assert (seen.checks, seen.merge, desk.github.asked) == (None, None, [])


async def test_comments_of_an_issue_that_is_gone_are_none(desk: Desk) -> None:
    desk.keep(build.record())
    desk.github.held_comments = None
    seen, _ = await desk.load(CHECK, Need.RECORD, Need.COMMENTS)
    assert (seen.comments, desk.github.asked) == ((), ["comments"])


async def test_threads_are_read_only_for_a_review_that_says_nothing_else(desk: Desk) -> None:
    desk.keep(IN_REVIEW)
    facts: dict[str, Any] = {"task": TASK, "pull": 30, "review_id": 4, "actor": WRITER, "at": build.NOW}
    for body in ("Hm.", " "):
        event = Reviewed(**facts, state=ReviewState.COMMENTED, body=body)
        await desk.load(event, Need.RECORD, Need.THREADS)
    assert desk.github.asked == ["threads"]


async def test_a_wished_merge_needs_the_view_of_it_and_no_pull_request(desk: Desk) -> None:
    desk.github = FakeGitHub(held_pull=build.pull(), held_view=build.view())
    for wish, asked in ((None, "pull"), (MergeWish(by="writer"), "merge_view")):
        desk.keep(IN_REVIEW.change(merge=wish))
        await desk.load(PullDue(task=TASK), Need.RECORD, Need.PULL, Need.MERGE)
        assert desk.github.asked.pop() == asked
    assert desk.github.asked == []


async def test_a_comment_on_a_pull_request_needs_neither_the_issue_nor_the_branch(desk: Desk) -> None:
    desk.keep(IN_REVIEW)
    desk.github.held_issue = build.issue("orch")
    await desk.load(build.on_pull("/stop"), Need.RECORD, Need.ISSUE, Need.HEAD)
    assert desk.github.asked == []
    await desk.load(build.commented("/stop"), Need.RECORD, Need.ISSUE, Need.HEAD)
    assert desk.github.asked == ["issue", "branch_head"]


@pytest.mark.parametrize(("number", "asked"), [(None, ["pull"]), (12, [])])
async def test_a_pull_request_that_names_its_issue_is_not_asked_for_it(
    desk: Desk, number: int | None, asked: list[str]
) -> None:
    desk.github.held_pull = build.pull(head_branch="orch/12-x")
    await desk.load(build.pull_commented(task_number=number), Need.PULL)
    assert desk.github.asked == asked


async def test_what_was_decided_is_read_for_who_asks_why(desk: Desk) -> None:
    desk.keep(build.record())
    for second, why in ((2, "later"), (1, "first")):
        mark = {"why": why, "at": (NOW + timedelta(seconds=second)).isoformat()}
        desk.store.documents["repository:1", f"mark/12/{why}"] = Document(why, 1, mark)
    for body, told in (("/stop", ()), ("/WHY?", ("first", "later"))):
        seen, _ = await desk.load(build.commented(body), Need.RECORD, Need.DECISIONS)
        assert tuple(why for _, why in seen.decisions) == told


async def test_what_was_spent_is_read(desk: Desk) -> None:
    ledger = Ledger(unknown=3)
    desk.keep(ledger, "installation:5", "record/ledger")
    event = Spent(repository=TASK.repository, run_id="r", cost=None, at=NOW)
    assert await desk.load(event, Need.LEDGER) == (replace(BARE, ledger=ledger), Loaded(ledger, 3))


async def test_where_the_store_has_no_task_what_means_nothing_to_orch_is_not_looked_into(desk: Desk) -> None:
    asked = replace(handler(Need.RECORD), only_known=lambda event, snapshot: True)
    assert await desk.loader.load(asked, CHECK, BARE) == (BARE, Loaded(None, 0))
    assert desk.github.asked == []


async def test_what_is_known_of_the_agents_is_read_off_the_board(desk: Desk) -> None:
    board = Board(parked={"claude": NOW.timestamp()}, asked={"claude": 3})
    desk.store.documents[PARTITION, HEAD] = Document(HEAD, 3, pack_head(board))
    seen, _ = await desk.load(CHECK, Need.POOL)
    assert seen.pool == Pool(parked={"claude": NOW}, asked={"claude": 3})


async def test_without_a_board_nothing_is_known_of_the_agents(desk: Desk) -> None:
    assert (await desk.load(CHECK, Need.POOL))[0].pool == Pool()
