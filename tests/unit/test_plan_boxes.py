import pytest

from app.domain.buttons import plan_drops
from app.domain.command_words import Word
from app.domain.comment import render_comment
from app.domain.effects import AddComment, Decision, UpsertComment
from app.domain.facts import Permission
from app.domain.outcomes import Outcome
from app.domain.proposal import Item, Proposal
from app.domain.record import TaskRecord
from app.domain.task import Status
from handlers.comments import commented
from tests.unit import build
from tests.unit.build import NOW, SELF

ITEMS = (Item(key="a", title="First"), Item(key="b", title="Second", depends_on=("a",)), Item(key="c", title="Third"))
PLAN = Proposal(digest="d", summary="In three.", items=ITEMS)
PLANNED = (build.summary(outcome=Outcome.PLANNED),)
WAITING = build.record(Status.NEEDS_REVIEW, plan=PLAN, runs=PLANNED, comment_id=77, since=NOW)
PUT_BACK = "`writer` edited this comment; it was put back, because it follows the work."


def untick(body: str, *keys: str) -> str:
    for key in keys:
        body = body.replace(f"- [x] `{key}`", f"- [ ] `{key}`")
    return body


def tick(body: str, key: str) -> str:
    return body.replace(f"- [ ] `{key}`", f"- [x] `{key}`")


def click(record: TaskRecord, after: str, permission: Permission = Permission.WRITE) -> Decision:
    before = render_comment(record, build.KEYRING)
    event = build.commented(after, number=77, before=before, author_id=SELF.id)
    return commented(event, build.snapshot(record, build.issue("orch"), permission))


def shown(record: TaskRecord = WAITING) -> str:
    return render_comment(record, build.KEYRING)


def after(decision: Decision) -> TaskRecord:
    assert isinstance(decision.record, TaskRecord)
    return decision.record


def replies(decision: Decision) -> list[str]:
    return [effect.body for effect in decision.effects if isinstance(effect, AddComment)]


def test_an_unticked_box_drops_its_sub_issue() -> None:
    notice = "`writer` changed the plan: 2 of 3 sub-issues are kept."
    expected = WAITING.change(plan=PLAN.drop(frozenset({"b"})), notice=notice)
    decision = click(WAITING, untick(shown(), "b"))
    assert decision == Decision("`writer` changed boxes of the plan", expected, (UpsertComment(),))


def test_a_box_that_is_ticked_again_takes_its_sub_issue_back() -> None:
    dropped = WAITING.change(plan=PLAN.drop(frozenset({"b", "c"})))
    assert after(click(dropped, tick(shown(dropped), "c"))).plan == PLAN.drop(frozenset({"b"}))


def test_i7_a_plan_is_changed_by_those_who_may() -> None:
    decision = click(WAITING, untick(shown(), "b"), Permission.READ)
    assert (after(decision), decision.effects[-1]) == (WAITING, UpsertComment())
    assert "the plan was not changed: only people with write access" in replies(decision)[0]


def test_a_plan_keeps_at_least_one_sub_issue() -> None:
    decision = click(WAITING, untick(shown(), "a", "b", "c"))
    assert (after(decision), decision.effects[-1]) == (WAITING, UpsertComment())
    assert replies(decision) == [
        "`writer`, the plan was not changed: it must keep one sub-issue. `/deny REASON` refuses it, `/cancel` ends the "
        "task."
    ]


def test_boxes_of_an_older_plan_change_nothing() -> None:
    newer = WAITING.change(since=NOW.replace(year=2026))
    decision = click(newer, untick(shown(newer), "b"))
    assert (after(decision), "it is a newer one than what was ticked" in replies(decision)[0]) == (newer, True)


def test_what_is_dropped_and_approved_at_once_is_approved_without_it() -> None:
    both = untick(shown(), "b").replace("- [ ] `/approve`", "- [x] `/approve`")
    decision = click(WAITING, both)
    assert decision.why == "`writer` changed boxes of the plan and ticked /approve"
    assert (after(decision).status, [item.key for item in after(decision).plan.kept]) == (Status.BLOCKED, ["a", "c"])  # type: ignore[union-attr]


def test_what_cannot_be_dropped_is_not_approved_either() -> None:
    both = untick(shown(), "a", "b", "c").replace("- [ ] `/approve`", "- [x] `/approve`")
    assert after(click(WAITING, both)) == WAITING


def test_a_plan_that_waits_is_approved_or_denied_with_a_box() -> None:
    assert "- [ ] `/approve`: create the sub-issues that are ticked\n- [ ] `/deny`: have it planned anew" in shown()
    assert after(click(WAITING, tick(shown(), "/approve"))).status is Status.BLOCKED
    assert after(click(WAITING, tick(shown(), "/deny"))).status is Status.ROUTED


@pytest.mark.parametrize("body", ["- [ ] `z` Unknown", "anything", "- [ ] `/plan` x"])
def test_other_edits_are_put_back(body: str) -> None:
    assert click(WAITING, body) == Decision(
        "the living comment was edited", WAITING.change(notice=PUT_BACK), (UpsertComment(),)
    )


@pytest.mark.parametrize(
    "record",
    [
        WAITING.change(plan=None),
        WAITING.change(plan=PLAN.model_copy(update={"approved_by": "`writer`"})),
        build.record(Status.ROUTED, plan=PLAN, runs=PLANNED),
    ],
    ids=["no plan", "approved", "planned anew"],
)
def test_without_a_plan_that_waits_no_box_counts(record: TaskRecord) -> None:
    assert plan_drops(shown(), untick(shown(), "b"), record) is None


def test_boxes_in_what_an_agent_says_are_no_boxes_of_the_plan() -> None:
    sly = WAITING.change(plan=PLAN.model_copy(update={"summary": "- [ ] `a` x\n- [ ] `b` y"}))
    assert plan_drops(shown(sly), shown(sly), sly) is None
    assert plan_drops(shown(sly), untick(shown(sly), "c"), sly) == frozenset({"c"})


def test_boxes_are_read_with_the_line_ends_of_a_browser() -> None:
    assert plan_drops(shown(), untick(shown(), "b").replace("\n", "\r\n"), WAITING) == frozenset({"b"})


def test_every_box_of_the_plan_is_listed_ticked_unless_it_was_dropped() -> None:
    lines = shown(WAITING.change(plan=PLAN.drop(frozenset({"b"})))).splitlines()
    assert [line for line in lines if line.startswith("- [")] == [
        "- [x] `a` First",
        "- [ ] `b` Second",
        "- [x] `c` Third",
        f"- [ ] `/{Word.APPROVE.value}`: create the sub-issues that are ticked",
        f"- [ ] `/{Word.DENY.value}`: have it planned anew",
    ]
