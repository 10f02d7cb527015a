from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import life
from app.domain.effects import AddComment, Decision, KeepText, RemoveLabel, Send, SetLabels, UpsertComment, nothing
from app.domain.events import BlockersChanged, IssueLabeled, IssueUnlabeled, Refresh, SlotWanted
from app.domain.facts import Actor, Issue, Permission
from app.domain.jobs import Purpose, run_job
from app.domain.names import digest_of
from app.domain.powers import BOTS_REFUSED
from app.domain.record import TaskRecord
from app.domain.snapshot import Handler, Need
from app.domain.strategies.family import resume_whole
from app.domain.task import Status, Trigger, can
from handlers.issues import GIVEN_IN, HANDLERS, MOST_PUT_BACK, issue_labeled, issue_unlabeled, not_ours
from tests.unit import build
from tests.unit.build import BODY, NOW, ROBOT, SELF, STRANGER, TASK, TITLE, WRITER
from tests.unit.draw import examine
from tests.unit.families import PARENT, graph, parent

LABELED = build.issue("orch")
DEFAULT = "as the operator's default"
CHOSEN = f"Agent `script` (no model) was chosen {DEFAULT}; the task waits for a runner."
OUTSIDERS = [None, Permission.NONE, Permission.READ]
LABELS = ("orch", "status:done", "status:routed", "bug")


def asked(attempt: int, title: str = TITLE, body: str = BODY) -> tuple[KeepText | Send, ...]:
    """List what an admission asks for."""
    return (
        KeepText(digest=digest_of(title, body), title=title, body=body),
        Send(event=SlotWanted(job=run_job(TASK, attempt), since=NOW.timestamp(), agent="script")),
        Send(event=Refresh(task=TASK), delay=2),
    )


def test_the_trigger_starts_a_task() -> None:
    decision = issue_labeled(build.labeled(), build.snapshot(at=LABELED, permission=Permission.WRITE))
    record = build.record(Status.ROUTED, why=CHOSEN, chosen=DEFAULT)
    assert decision == Decision("writer asked for it with the label orch", record, asked(1))


@pytest.mark.parametrize(("count", "looks"), [(None, False), (0, False), (1, True)])
def test_links_that_were_made_before_it_was_a_task_are_looked_at(count: int | None, looks: bool) -> None:
    now = LABELED.model_copy(update={"blocked_by": count})
    decision = issue_labeled(build.labeled(), build.snapshot(at=now, permission=Permission.WRITE))
    look = Send(event=BlockersChanged(task=TASK, actor=WRITER))
    assert [effect == look for effect in decision.effects] == [False, *([True] if looks else []), False, False]


def test_the_trigger_in_capitals_starts_a_task() -> None:
    event, issue = build.labeled("Orch"), build.issue("Orch")
    assert not_ours(event, build.snapshot()) is None
    decision = issue_labeled(event, build.snapshot(at=issue, permission=Permission.ADMIN))
    assert decision.record == build.record(Status.ROUTED, why=CHOSEN, chosen=DEFAULT, label="Orch")


def test_a_parked_task_is_taken_up_again_with_the_text_and_the_person_of_now() -> None:
    known = build.record(Status.NEEDS_REVIEW, agent="gone", model="large", attempt=3, head_sha=build.SHA, comment_id=7)
    event = build.labeled(actor=Actor(id=14, login="maintainer", is_bot=False), title="New", body="Text")
    decision = issue_labeled(event, build.snapshot(known, LABELED, Permission.WRITE, head=build.SHA))
    assert decision.effects == asked(4, "New", "Text")
    assert decision.record == build.record(
        Status.ROUTED,
        why=CHOSEN,
        chosen=DEFAULT,
        title="New",
        attempt=4,
        first_attempt=4,
        job_id=run_job(TASK, 4).id,
        admitted=digest_of("New", "Text"),
        edited=True,
        requested_by="maintainer",
        requested_by_id=14,
        head_sha=build.SHA,
        comment_id=7,
    )


@pytest.mark.parametrize("status", [status for status in Status if not can(status, Trigger.ROUTE)])
def test_i2_the_trigger_on_a_task_that_is_under_way_changes_nothing(status: Status) -> None:
    decision = issue_labeled(build.labeled(), build.snapshot(build.record(status), LABELED, Permission.WRITE))
    assert decision == nothing(f"the task is {status.value} already")


@pytest.mark.parametrize("issue", [None, build.issue("bug"), build.issue("orch", is_open=False)])
def test_a_trigger_that_was_withdrawn_starts_nothing(issue: Issue | None) -> None:
    decision = issue_labeled(build.labeled(), build.snapshot(at=issue, permission=Permission.WRITE))
    assert decision == nothing("the issue was closed or the label taken off meanwhile")


@pytest.mark.parametrize("permission", OUTSIDERS)
def test_i7_somebody_without_write_access_starts_nothing_and_is_told(permission: Permission | None) -> None:
    decision = issue_labeled(build.labeled(actor=STRANGER), build.snapshot(at=LABELED, permission=permission))
    why = "only people with write access to this repository start or steer work"
    body = f"`stranger` put the label `orch` on, but {why}. The label was taken off again."
    reply = AddComment(task=TASK, key="refused-label-12", body=body)
    assert decision == Decision(why, effects=(RemoveLabel(task=TASK, label="orch"), reply))


@pytest.mark.parametrize("permission", [None, Permission.ADMIN])
def test_i7_a_bot_starts_nothing_and_gets_no_answer(permission: Permission | None) -> None:
    decision = issue_labeled(build.labeled(actor=ROBOT), build.snapshot(at=LABELED, permission=permission))
    assert decision == Decision(BOTS_REFUSED, effects=(RemoveLabel(task=TASK, label="orch"),))


@examine
@given(st.sampled_from([*OUTSIDERS, *Permission]), st.sampled_from([WRITER, STRANGER, ROBOT]), st.sampled_from(LABELS))
def test_i7_only_a_person_who_may_write_makes_a_record(permission: Permission | None, actor: Actor, label: str) -> None:
    snapshot = build.snapshot(at=build.issue(*LABELS), permission=permission)
    decision = issue_labeled(build.labeled(label, actor), snapshot)
    may = permission is not None and permission.can_write and not actor.is_bot and label == "orch"
    assert (decision.record is not None) == may


@pytest.mark.parametrize("labels", [("status:done",), ("status:in_progress", "status:done"), ()])
def test_i4_a_status_label_moved_by_hand_is_put_back(labels: tuple[str, ...]) -> None:
    on = tuple(status for status in Status if f"status:{status}" in labels)
    notice = "`writer` moved a status label by hand; it was put back, because the status follows the work."
    expected = Decision(
        "a status label was moved by hand",
        build.record(shown=on, notice=notice, put_back=(NOW,)),
        (SetLabels(), UpsertComment()),
    )
    snapshot = build.snapshot(build.record(), build.issue(*labels))
    assert issue_labeled(build.labeled("status:done"), snapshot) == expected
    assert issue_unlabeled(build.unlabeled("status:in_progress"), snapshot) == expected


@examine
@given(st.sampled_from(Status), st.sets(st.sampled_from(Status)), st.sampled_from([WRITER, STRANGER, ROBOT]))
def test_i4_no_label_moves_a_status(status: Status, on: set[Status], actor: Actor) -> None:
    issue = build.issue(*(f"status:{one}" for one in on))
    snapshot = build.snapshot(build.record(status), issue, Permission.ADMIN)
    for one in Status:
        decision = issue_labeled(build.labeled(f"status:{one}", actor), snapshot)
        after = decision.record
        assert not isinstance(after, TaskRecord) or after.status is status


def fought(count: int, minutes: int = 30) -> TaskRecord:
    return build.record(put_back=tuple(NOW - timedelta(minutes=minutes) for _ in range(count)))


def test_i12_labels_are_put_back_three_times_an_hour_and_then_left_with_a_word() -> None:
    at, event = build.issue("status:done"), build.labeled("status:done", ROBOT)
    assert issue_labeled(event, build.snapshot(fought(MOST_PUT_BACK - 1), at)).effects == (SetLabels(), UpsertComment())
    decision = issue_labeled(event, build.snapshot(fought(MOST_PUT_BACK), at))
    left = fought(MOST_PUT_BACK).change(shown=(Status.DONE,), notice=GIVEN_IN)
    assert decision == Decision("a status label was moved by hand again and again", left, (UpsertComment(),))
    assert issue_labeled(event, build.snapshot(left, at)) == Decision("a status label was moved by hand again", left)


def test_an_hour_later_labels_are_put_back_again() -> None:
    seen = build.snapshot(fought(MOST_PUT_BACK, 60), build.issue("status:done"))
    after = issue_labeled(build.labeled("status:done"), seen).record
    assert isinstance(after, TaskRecord)
    assert after.put_back == (NOW,)


def test_the_trigger_taken_off_stops_the_work() -> None:
    off, event = build.issue("status:in_progress"), build.unlabeled("orch")
    expected = life.withdrawn(build.record(), off, "orch", "writer")
    assert issue_unlabeled(event, build.snapshot(build.record(), off)) == expected


@pytest.mark.parametrize(
    ("record", "issue", "why"),
    [
        (None, LABELED, "no task, so nothing to stop"),
        (build.record(), None, "no task, so nothing to stop"),
        (build.record(), LABELED, "nothing is to be stopped, or the label is on again"),
    ],
)
def test_i2_a_trigger_that_is_on_again_stops_nothing(record: TaskRecord | None, issue: Issue | None, why: str) -> None:
    assert issue_unlabeled(build.unlabeled("orch"), build.snapshot(record, issue)) == nothing(why)


def test_a_paused_task_goes_back_to_its_pull_request_if_the_text_is_the_same() -> None:
    paused = build.record(Status.PAUSED, pull=30, head_sha=build.SHA)
    seen = build.snapshot(paused, LABELED, Permission.WRITE, build.pull(), head=build.SHA)
    assert issue_labeled(build.labeled(), seen) == life.reviewed_again(paused, build.pull(), paused.admitted)
    assert issue_labeled(build.labeled(body="Another text."), seen).effects == asked(2, body="Another text.")


OTHER = build.issue("orch", body="Another text.")


@pytest.mark.parametrize("status", [Status.ROUTED, Status.IN_PROGRESS, Status.IN_REVIEW])
def test_the_trigger_off_and_on_too_fast_to_be_seen_still_has_a_new_text_followed(status: Status) -> None:
    known = build.record(status, head_sha=build.SHA)
    snapshot = build.snapshot(known, OTHER, Permission.WRITE, head=build.SHA)
    decision = issue_labeled(build.labeled(body="Another text."), snapshot)
    assert decision.effects == (*life.stop(known), *asked(2, body="Another text."))
    assert isinstance(decision.record, TaskRecord)
    anew = (decision.record.status, decision.record.attempt, decision.record.run_id, decision.record.stopping)
    assert anew == (Status.ROUTED, 2, None, known.run_id)


def test_i2_an_old_text_that_is_told_late_is_not_followed() -> None:
    late = build.labeled(body="An older text.")
    decision = issue_labeled(late, build.snapshot(build.record(), OTHER, Permission.WRITE))
    assert decision == nothing("the task is in_progress already")


@pytest.mark.parametrize("status", [Status.DONE, Status.CANCELLED])
def test_an_answered_or_cancelled_task_is_taken_up_again(status: Status) -> None:
    snapshot = build.snapshot(build.record(status), LABELED, Permission.WRITE)
    assert issue_labeled(build.labeled(), snapshot).effects == asked(2)


def test_a_merged_task_is_taken_up_again_only_when_its_issue_is_reopened() -> None:
    snapshot = build.snapshot(build.record(Status.DONE, pull=30), LABELED, Permission.WRITE)
    why = "the pull request was merged; only a reopened issue is taken up again"
    assert issue_labeled(build.labeled(), snapshot) == nothing(why)


def test_a_merge_that_was_missed_counts_more_than_the_trigger() -> None:
    paused = build.record(Status.PAUSED, pull=30)
    seen = build.snapshot(paused, LABELED, Permission.WRITE, build.pull(30, False, True))
    assert issue_labeled(build.labeled(), seen) == life.finish_merged(paused, 30)


@pytest.mark.parametrize("head", [build.OTHER_SHA, None])
def test_another_attempt_begins_where_the_branch_is_now(head: str | None) -> None:
    known = build.record(Status.NEEDS_REVIEW, head_sha=build.SHA)
    after = issue_labeled(build.labeled(), build.snapshot(known, LABELED, Permission.WRITE, head=head)).record
    assert isinstance(after, TaskRecord)
    assert after.head_sha == head


def test_the_right_status_label_is_left_alone() -> None:
    snapshot = build.snapshot(build.record(), build.issue("orch", "status:in_progress"))
    assert issue_unlabeled(build.unlabeled(), snapshot) == nothing("the status label is right")


@pytest.mark.parametrize(("record", "issue"), [(None, LABELED), (build.record(), None), (None, None)])
def test_without_a_task_nothing_is_put_back(record: TaskRecord | None, issue: Issue | None) -> None:
    decision = issue_unlabeled(build.unlabeled(), build.snapshot(record, issue))
    assert decision == nothing("no task, so nothing to put back")


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (build.labeled("orch"), None),
        (build.labeled("status:done"), None),
        (build.unlabeled("status:done"), None),
        (build.unlabeled("Status:Done"), None),
        (build.labeled("orch", ROBOT), None),
        (build.unlabeled("orch"), None),
        (build.unlabeled("bug"), "the label bug is nothing to Orch"),
        (build.labeled("bug"), "the label bug is nothing to Orch"),
        (build.labeled("orchard"), "the label orchard is nothing to Orch"),
        (build.labeled("orch", SELF), "Orch changed the label itself"),
        (build.unlabeled("status:done", SELF), "Orch changed the label itself"),
    ],
)
def test_labels_that_mean_nothing_are_skipped_before_anything_is_read(
    event: IssueLabeled | IssueUnlabeled, why: str | None
) -> None:
    assert not_ours(event, build.snapshot()) == why


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.event.__name__)
def test_both_handlers_skip_alike(handler: Handler) -> None:
    assert handler.skip is not_ours


def test_the_plan_label_asks_for_a_plan() -> None:
    labels = build.snapshot(at=build.issue("plan"), permission=Permission.WRITE)
    after = issue_labeled(build.labeled("plan"), labels).record
    assert isinstance(after, TaskRecord)
    assert (after.status, after.purpose, after.label) == (Status.ROUTED, Purpose.PLAN, "plan")


def test_a_labelled_sub_issue_knows_its_parent() -> None:
    event = build.labeled().model_copy(update={"parent": PARENT.number})
    after = issue_labeled(event, build.snapshot(at=LABELED, permission=Permission.WRITE)).record
    assert isinstance(after, TaskRecord)
    assert after.parent == PARENT


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize("status", [Status.PAUSED, Status.NEEDS_REVIEW])
def test_a_planned_task_goes_on_with_its_sub_issues_when_the_label_is_put_on_again(
    status: Status, started: bool
) -> None:
    known = parent(status, graph(started=started))
    decision = issue_labeled(build.labeled(), build.snapshot(known, LABELED, Permission.WRITE))
    assert decision == resume_whole(known, build.snapshot(known), "The label was put on again.")


@pytest.mark.parametrize("started", [True, False])
def test_i2_the_label_on_a_task_that_waits_for_its_sub_issues_changes_nothing(started: bool) -> None:
    known = parent(of=graph(started=started))
    decision = issue_labeled(build.labeled(), build.snapshot(known, LABELED, Permission.WRITE))
    assert decision == nothing("the task was planned already")


@pytest.mark.parametrize(("blocked_by", "spared"), [(0, {Need.BLOCKERS}), (1, set()), (None, set())])
def test_what_blocks_an_issue_is_read_unless_github_says_that_nothing_does(
    blocked_by: int | None, spared: set[Need]
) -> None:
    [handler] = [one for one in HANDLERS if one.event is IssueLabeled]
    event = build.labeled().model_copy(update={"blocked_by": blocked_by})
    assert handler.spares(event, None) == spared
