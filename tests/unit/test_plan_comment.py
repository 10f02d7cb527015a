from decimal import Decimal

import pytest

from app.domain.complexity import Complexity
from app.domain.outcomes import Outcome
from app.domain.plan_comment import render_plan
from app.domain.proposal import Item, Proposal
from app.domain.record import TaskRecord
from app.domain.tables import plain
from app.domain.task import Status
from tests.unit import build

ITEMS = (
    Item(key="b", title="Second", depends_on=("a",), paths=("x", "y", "z", "w")),
    Item(key="a", title="First", role="backend", complexity=Complexity.SIMPLE, agent="claude"),
)
PLAN = Proposal(digest="d", summary="In two.\n<b>Really.", items=ITEMS)


def waiting(plan: Proposal = PLAN, **changes: object) -> TaskRecord:
    runs = (build.summary(outcome=Outcome.PLANNED),)
    return build.record(Status.NEEDS_REVIEW, **{"plan": plan, "runs": runs, **changes})


def test_a_plan_is_shown_as_a_table_and_a_graph() -> None:
    [head, summary, table, graph, boxes] = render_plan(waiting())
    assert head == "**The plan: 2 sub-issues.** What it will cost is unknown."
    assert summary == "> In two.\n> <\u2060b>Really."
    assert table.splitlines()[2:] == [
        "| `b` | Second | `a` |  |  |  | `x`, `y`, `z` and 1 more |",
        "| `a` | First |  | `backend` | simple | `claude` |  |",
    ]
    assert "    n2 --> n1" in graph
    assert boxes.endswith("\n- [x] `b` Second\n- [x] `a` First")


def test_i10_an_estimate_is_shown_where_there_is_one() -> None:
    estimated = PLAN.model_copy(update={"estimate": Decimal("4.2")})
    assert render_plan(waiting(estimated))[0].endswith("All of it is estimated to cost $4.20.")


def test_what_is_dropped_is_left_out_of_all_but_the_boxes() -> None:
    parts = render_plan(waiting(PLAN.drop(frozenset({"a"}))))
    assert parts[0].startswith("**The plan: 1 sub-issue, 1 dropped.**")
    assert (len(parts), parts[-1].splitlines()[-2:]) == (4, ["- [x] `b` Second", "- [ ] `a` First"])
    assert len(render_plan(waiting(PLAN.drop(frozenset({"a", "b"}))))) == 3


def test_where_there_is_little_room_only_what_can_be_ticked_is_shown() -> None:
    [_, _, boxes] = render_plan(waiting(), brief=True)
    assert boxes.count("- [x]") == 2


def test_while_it_is_planned_anew_the_plan_before_has_no_boxes() -> None:
    [part] = render_plan(build.record(Status.IN_PROGRESS, plan=PLAN))
    assert part.startswith("<details><summary>The plan that there was before: 2 sub-issues</summary>\n\n> In two.")
    assert "- [" not in part


@pytest.mark.parametrize(
    "record",
    [
        build.record(),
        waiting(PLAN.model_copy(update={"approved_by": "`writer`"})),
        build.record(Status.CANCELLED, plan=PLAN),
    ],
    ids=["no plan", "approved", "over"],
)
def test_otherwise_no_plan_is_shown(record: TaskRecord) -> None:
    assert render_plan(record) == []


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("a | b", "a b"),
        ("[x](y) *b* _c_ ~d~ \\", "\\[x\\](y) \\*b\\* \\_c\\_ \\~d\\~ \\\\"),
        ("<script>", "<\u2060script>"),
        ("@team Closes #1", "@\u2060team Closes\u2060 #\u20601"),
        ("https://e.example www.e.example", "https:\u2060//e.example www\u2060.e.example"),
    ],
)
def test_a_title_is_shown_as_it_was_written(title: str, shown: str) -> None:
    assert plain(title) == shown
