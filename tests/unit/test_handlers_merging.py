"""On the way into the base branch: conflicts, wishes for a merge, and what a merge waits for."""

from typing import Any

import pytest

from app.domain.absorb import refuse
from app.domain.effects import Decision, Effect, MergePull, Send, UpdateBranch, UpsertComment, nothing
from app.domain.errors import HeadMoved, NotMergeable
from app.domain.events import BaseMoved, IssueLabeled, MergeAsked, PullDue, PullLabeled, PullMerged
from app.domain.facts import MergeView, Permission, Pull
from app.domain.jobs import Purpose
from app.domain.policy import Policy
from app.domain.record import MergeWish, TaskRecord
from app.domain.snapshot import Snapshot
from app.domain.strategies.merge import MOST_LOOKS
from app.domain.task import Status
from handlers.issues import issue_labeled, issue_unlabeled
from handlers.merging import AT_ONCE, HANDLERS, base_moved, merge_asked, not_automerge, pull_due, pull_labeled
from tests.unit import build
from tests.unit.build import POLICY, SELF, SHA, TASK, WRITER
from tests.unit.families import PARENT

DUE = PullDue(task=TASK)
WISH = MergeWish(by="writer", waits="Something.")
IN_REVIEW = build.record(Status.IN_REVIEW, pull=30, head_sha=SHA, merge=WISH)
LAG = build.POLICY.list_lag
LABELED = PullLabeled(
    repository=TASK.repository,
    number=30,
    head_branch=IN_REVIEW.branch,
    head_repository_id=1,
    actor=WRITER,
    label="automerge",
    on=True,
)
ASKED = MergeAsked(task=TASK, pull=30, actor=WRITER, wanted=True)
ON, OFF = build.pull(labels=frozenset({"bug", "AutoMerge"})), build.pull()
WAITS = "It is merged once it is in review, approved and green."


def decide(
    record: TaskRecord | None = IN_REVIEW,
    view: MergeView | None = None,
    pull: Pull | None = build.pull(),  # noqa: B008 (it is frozen)
    event: PullDue = DUE,
) -> Decision:
    return pull_due(event, build.snapshot(record, pull=pull, merge=view))


def waits(decision: Decision) -> tuple[str, tuple[Effect, ...]]:
    """Return what people read that the merge waits for, and what is done meanwhile."""
    assert isinstance(decision.record, TaskRecord)
    assert decision.record.merge is not None
    assert decision == Decision(decision.why, IN_REVIEW.change(merge=decision.record.merge), decision.effects)
    assert decision.effects[-1] == UpsertComment()
    return decision.record.merge.waits, decision.effects[:-1]


def test_a_label_on_a_pull_request_is_told_to_its_task() -> None:
    why = "the label automerge was put on, or taken off"
    assert pull_labeled(LABELED, build.snapshot()) == Decision(why, effects=(Send(event=ASKED),))
    off = LABELED.model_copy(update={"on": False})
    [send] = pull_labeled(off, build.snapshot()).effects
    assert send == Send(event=ASKED.model_copy(update={"wanted": False}))


@pytest.mark.parametrize("changes", [{"head_branch": "main"}, {"head_repository_id": 2}])
def test_i7_a_pull_request_that_is_not_orchs_means_nothing(changes: dict[str, object]) -> None:
    event = LABELED.model_copy(update=changes)
    assert pull_labeled(event, build.snapshot()) == nothing("the pull request is not Orch's")


def test_other_labels_and_orchs_own_are_skipped() -> None:
    cases: tuple[dict[str, object], ...] = ({}, {"label": "AutoMerge"}, {"label": "bug"}, {"actor": SELF})
    skipped = [not_automerge(LABELED.model_copy(update=changes), build.snapshot()) for changes in cases]
    assert skipped == [None, None, "the label bug is nothing to Orch", "Orch changed the label itself"]


@pytest.mark.parametrize(("status", "looks"), [(Status.IN_REVIEW, (Send(event=DUE),)), (Status.IN_PROGRESS, ())])
def test_a_wish_is_remembered_and_looked_at_if_it_can_be_done(status: Status, looks: tuple[Send, ...]) -> None:
    record = build.record(status, pull=30)
    decision = merge_asked(ASKED, build.snapshot(record, permission=Permission.WRITE, pull=ON))
    wished = record.change(merge=MergeWish(by="writer", waits=WAITS))
    assert decision == Decision("`writer` wants the pull request merged", wished, (*looks, UpsertComment()))


def test_a_wish_is_taken_back() -> None:
    event = ASKED.model_copy(update={"wanted": False})
    decision = merge_asked(event, build.snapshot(IN_REVIEW, permission=Permission.WRITE, pull=OFF))
    expected = IN_REVIEW.change(merge=None)
    assert decision == Decision("no merge is wished for any more", expected, (UpsertComment(),))


def test_i7_only_those_whom_the_operator_lets_have_merges_done() -> None:
    policy = POLICY.model_copy(update={"mergers": ("maintain",)})
    why = "only people with the role `maintain` have pull requests merged here"
    record = IN_REVIEW.change(merge=None)
    decision = merge_asked(ASKED, build.snapshot(record, permission=Permission.WRITE, pull=ON, policy=policy))
    notice = f"`writer` changed the label `automerge`, which does nothing: {why}."
    assert decision == Decision(why, record.change(notice=notice), (UpsertComment(),))


@pytest.mark.parametrize("record", [None, IN_REVIEW.change(pull=31), build.record(Status.DONE, pull=30)])
def test_a_wish_for_what_is_no_open_task_means_nothing(record: TaskRecord | None) -> None:
    decision = merge_asked(ASKED, build.snapshot(record, permission=Permission.WRITE, pull=ON))
    assert decision == nothing("the pull request is not that of an open task")


@pytest.mark.parametrize(("wanted", "pull"), [(True, OFF), (False, ON), (True, None)])
def test_i2_a_label_that_was_changed_again_since_is_not_followed(wanted: bool, pull: Pull | None) -> None:
    event = ASKED.model_copy(update={"wanted": wanted})
    decision = merge_asked(event, build.snapshot(IN_REVIEW, permission=Permission.WRITE, pull=pull))
    assert decision == nothing("the label was changed again since")


def on_issue(record: TaskRecord | None, *labels: str) -> Snapshot:
    return build.snapshot(record, build.issue(*labels), Permission.WRITE)


def test_the_label_on_the_issue_says_the_same() -> None:
    put_on: IssueLabeled = build.labeled("Automerge")
    wished = issue_labeled(put_on, on_issue(IN_REVIEW, "automerge")).record
    assert wished == IN_REVIEW.change(merge=MergeWish(by="writer", waits=WAITS))
    assert issue_unlabeled(build.unlabeled("automerge"), on_issue(IN_REVIEW)).record == IN_REVIEW.change(merge=None)
    assert issue_labeled(put_on, on_issue(IN_REVIEW)) == nothing("the label was changed again since")
    for record in (None, build.record(Status.DONE)):
        assert issue_labeled(put_on, on_issue(record, "automerge")) == nothing("the issue is no open task")


def test_when_the_base_moves_every_pull_request_in_review_is_looked_at() -> None:
    event = BaseMoved(repository=TASK.repository, after=3)
    tasks = (
        *(build.record(Status.IN_REVIEW, task=build.task(number)) for number in (9, 3, 4)),
        build.record(Status.PAUSED, task=build.task(5)),
    )
    due = tuple(Send(event=PullDue(task=build.task(number)), delay=LAG) for number in (4, 9))
    assert base_moved(event, build.snapshot(tasks=tasks)) == Decision("2 pull requests may conflict", effects=due)


def test_many_are_looked_at_a_part_at_a_time_and_none_is_left_out() -> None:
    tasks = tuple(build.record(Status.IN_REVIEW, task=build.task(number)) for number in range(1, AT_ONCE + 6))
    events, told = [BaseMoved(repository=TASK.repository)], list[int]()
    while events:
        decision = base_moved(events.pop(), build.snapshot(tasks=tasks))
        sent = [one.event for one in decision.effects if isinstance(one, Send)]
        told += [one.task.number for one in sent if isinstance(one, PullDue)]
        events += [one for one in sent if isinstance(one, BaseMoved)]
    assert told == list(range(1, AT_ONCE + 6))


@pytest.mark.parametrize("view", [None, build.view("dirty")])
def test_the_agent_resolves_conflicts(view: MergeView | None) -> None:
    decision = decide(view=view, pull=build.pull(mergeable=False, conflicts=True))
    why = "Pull request #30 conflicts with `main`, so the agent resolves that."
    assert isinstance(decision.record, TaskRecord)
    assert (decision.record.purpose, decision.record.why, decision.record.rounds) == (Purpose.REBASE, why, 1)
    assert decision.record.merge == WISH


def test_i12_github_is_asked_ever_later_and_not_for_ever() -> None:
    event, delays, unknown = DUE, list[float](), build.pull(mergeable=None)
    while (decision := decide(pull=unknown, event=event)).effects:
        [again] = decision.effects
        assert isinstance(again, Send)
        assert isinstance(again.event, PullDue)
        event, delays = again.event, [*delays, again.delay]
    assert delays == [LAG * 2**look for look in range(1, MOST_LOOKS + 1)]
    assert decision == nothing("GitHub does not say whether the pull request merges")


@pytest.mark.parametrize(
    ("record", "pull"),
    [
        (None, build.pull()),
        (build.record(pull=30), build.pull()),
    ],
    ids=["no task", "at work"],
)
def test_where_no_pull_request_is_reviewed_none_is_merged(record: TaskRecord | None, pull: Pull | None) -> None:
    assert decide(record, build.view(), pull) == nothing("there is no pull request in review")


@pytest.mark.parametrize("pull", [None, build.pull(is_open=False)], ids=["gone", "closed"])
def test_a_pull_request_that_is_not_open_has_no_conflicts(pull: Pull | None) -> None:
    assert decide(IN_REVIEW.change(merge=None), None, pull) == nothing("the pull request is not open")


@pytest.mark.parametrize(("record", "view"), [(IN_REVIEW.change(merge=None), build.view()), (IN_REVIEW, None)])
def test_nothing_is_merged_that_nobody_wants(record: TaskRecord, view: MergeView | None) -> None:
    assert decide(record, view) == nothing("the pull request merges, and nobody wants that yet")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"queued": True}, "It is in the merge queue."),
        ({"is_draft": True}, "The pull request is a draft."),
        ({"state": "draft"}, "The pull request is a draft."),
        ({"decision": "changes_requested"}, "Changes are requested in a review."),
        ({"decision": "review_required"}, "It waits for an approving review."),
        ({"state": "unstable"}, "Checks are under way or have failed."),
        (
            {"state": "blocked"},
            "GitHub does not let it be merged yet: a rule asks for reviews or checks that are missing.",
        ),
        ({"state": "odd\n@all"}, "GitHub says `odd @\u2060all`."),
    ],
)
def test_people_read_what_a_merge_waits_for(changes: dict[str, Any], said: str) -> None:
    view = build.view().model_copy(update=changes)
    assert waits(decide(view=view)) == (said, ())
    told = IN_REVIEW.change(merge=MergeWish(by="writer", waits=said))
    assert decide(told, view) == nothing(said)


def test_a_branch_that_is_behind_is_brought_up_to_date_first() -> None:
    said = "Its branch is brought up to date first."
    assert waits(decide(view=build.view("behind"))) == (said, (UpdateBranch(pull=30, sha=SHA),))


def test_what_github_has_not_worked_out_is_asked_again() -> None:
    again = Send(event=PullDue(task=TASK, look=1), delay=2 * LAG)
    assert decide(view=build.view("unknown")).effects == (again,)


DONE = PullMerged(task=TASK, pull=30, branch=IN_REVIEW.branch)


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        ({}, "squash"),
        ({"state": "has_hooks"}, "squash"),
        ({"decision": None}, "squash"),
        ({"methods": ("rebase", "merge")}, "rebase"),
        ({"methods": ()}, "squash"),
    ],
)
def test_what_is_approved_and_green_is_merged_at_the_head_that_was_looked_at(
    changes: dict[str, Any], method: str
) -> None:
    decision = decide(view=build.view().model_copy(update=changes))
    merged = MergePull(pull=30, sha=SHA, method=method)
    effects = (merged, Send(event=DONE))
    assert decision == Decision("GitHub lets the pull request be merged", IN_REVIEW, effects)


@pytest.mark.parametrize("state", ["clean", "behind", "blocked"])
def test_a_merge_queue_does_the_rest(state: str) -> None:
    decision = decide(view=build.view(state, has_queue=True))
    assert decision.effects == (MergePull(pull=30, sha=SHA, method="squash", queue="PR_1"), UpsertComment())


def test_the_operator_chooses_how_to_merge() -> None:
    snapshot = build.snapshot(IN_REVIEW, pull=build.pull(), merge=build.view(), policy=Policy(merge_method="merge"))
    assert MergePull(pull=30, sha=SHA, method="merge") in pull_due(DUE, snapshot).effects


MERGE = MergePull(pull=30, sha=SHA, method="squash")


def test_i8_a_merge_that_github_refuses_is_still_wished_for_and_never_told_as_done() -> None:
    kept = IN_REVIEW.change(merge=MergeWish(by="writer", waits="GitHub did not merge it: a rule stands against it."))
    refused = refuse(IN_REVIEW, MERGE, NotMergeable("a rule stands against it"))
    assert refused == (kept, (UpsertComment(),))
    _, instead = refuse(IN_REVIEW.change(merge=None), MERGE, NotMergeable("no"))
    assert instead == (UpsertComment(),)


def test_a_merge_of_a_head_that_moved_is_looked_at_again() -> None:
    said = "Somebody pushed meanwhile, so it is looked at again."
    kept = IN_REVIEW.change(merge=MergeWish(by="writer", waits=said))
    assert refuse(IN_REVIEW, MERGE, HeadMoved("409")) == (kept, (Send(event=DUE, delay=15), UpsertComment()))


def test_where_nothing_is_in_review_nothing_is_read() -> None:
    [settled] = [handler.settled for handler in HANDLERS if handler.event is PullDue]
    assert (settled(DUE, build.record()), settled(DUE, IN_REVIEW)) == (True, False)


def test_what_was_merged_is_brought_into_the_other_parts_of_a_plan() -> None:
    tasks = (build.record(Status.IN_REVIEW, parent=PARENT),)
    due = PullDue(task=TASK, update=True)
    decision = base_moved(BaseMoved(repository=TASK.repository), build.snapshot(tasks=tasks))
    assert decision.effects == (Send(event=due, delay=LAG),)
    brought = Decision(
        "its siblings' work is brought in, and its checks run again",
        effects=(UpdateBranch(pull=30, sha=build.SHA),),
    )
    assert decide(IN_REVIEW.change(merge=None), None, build.pull(), event=due) == brought
