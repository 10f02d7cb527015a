from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.blocked import acts_next, describe_children
from app.domain.buttons import buttons_of
from app.domain.command_words import Word
from app.domain.comment import LIMIT, render_comment
from app.domain.graph import Blocker, Graph, Node, NodeState
from app.domain.graph_comment import ASKING_SHOWN, kind_of, render_graph
from app.domain.markers import parse_marker
from app.domain.mermaid import COLOURS
from app.domain.names import Repository
from app.domain.outcomes import Outcome, Usage
from app.domain.plan import MOST_CHILDREN
from app.domain.proposal import LONGEST_TITLE, Item, Proposal
from app.domain.record import TaskRecord
from app.domain.task import Status, Trigger
from tests.unit import build
from tests.unit.build import KEYRING, TASK
from tests.unit.draw import examine_few

CLOSED = Node(
    number=13, title="First", state=NodeState.COMPLETED, status=Status.DONE, cost=Decimal("0.5"), runs=1, pull=30
)
WAITS = Node(number=14, title="Second", status=Status.BLOCKED, waits_for=("#13", "#15"))
ASKS = Node(number=15, title="Third", status=Status.NEEDS_REVIEW, why="Which one?", cost=None, runs=2)
STOPPED = Node(number=18, title="Sixth", status=Status.PAUSED, why="Stopped.")
OTHERS = Node(number=16, title="Fourth")
IN_REVIEW = Node(number=17, title="Fifth", status=Status.IN_REVIEW, pull=30)
PLAN = Proposal(digest="d", summary="s", items=(Item(key="a", title="A"), Item(key="b", title="B")), approved_by="`x`")


def parent(*nodes: Node, started: bool = True, status: Status = Status.BLOCKED, **changes: object) -> TaskRecord:
    graph = Graph(nodes=nodes, started=started)
    return build.record(status, **{"graph": graph, "plan": PLAN, "job_id": None, **changes})


def lines(record: TaskRecord) -> list[str]:
    return render_comment(record, KEYRING).partition("\n\n<!-- orch:record")[0].splitlines()


def test_a_parent_lists_how_its_sub_issues_stand() -> None:
    [progress, asking, table, graph, legend] = render_graph(parent(CLOSED, WAITS, ASKS, OTHERS))
    assert progress == "**1 of 4 sub-issues are closed.**"
    assert asking == "A person with write access must act on these:\n\n* #15 is `needs_review`: Which one?"
    assert table.splitlines() == [
        "| sub-issue | status | waits for | pull request | cost |",
        "| --- | --- | --- | --- | --- |",
        "| #13 First | closed |  | #30 | $0.50 |",
        "| #14 Second | `blocked` | #15 |  |  |",
        "| #15 Third | `needs_review` |  |  | unknown |",
        "| #16 Fourth | open, not Orch's |  |  |  |",
    ]
    assert '    n2["#35;14 Second"]:::waits' in graph
    assert legend == "Green: closed; orange: a person must act; yellow: waits; white: open, not Orch's."


def test_what_the_status_says_already_is_not_said_twice() -> None:
    record = parent(CLOSED, WAITS)
    assert render_graph(record.change(why=describe_children(record, Graph(nodes=(CLOSED, WAITS)))))[0].startswith(
        "| sub"
    )


def test_an_issue_elsewhere_is_named_with_its_repository() -> None:
    there = CLOSED.model_copy(update={"repository": Repository(id=9, installation_id=5, owner="o", name="n")})
    assert "| o/n#13 First | closed |  | o/n#30 | $0.50 |" in lines(parent(there))


def test_while_sub_issues_are_created_people_see_how_many_there_are() -> None:
    record = parent(CLOSED, started=False)
    assert "**1 of 2 sub-issues were created.**" in lines(record)
    assert "**1 of 0 sub-issues were created.**" in lines(record.change(plan=None))
    assert "| Plan | approved by `x` |" in lines(record)


def test_i10_what_all_of_it_costs_is_unknown_as_soon_as_one_part_is() -> None:
    ran = (build.summary(),)
    assert "| Cost so far | $0.75 (own runs $0.25, sub-issues $0.50) |" in lines(parent(CLOSED, WAITS, runs=ran))
    assert "| Cost so far | $0.50 (own runs $0.00, sub-issues $0.50) |" in lines(parent(CLOSED))
    assert "| Cost so far | unknown (own runs $0.25, sub-issues unknown) |" in lines(parent(CLOSED, ASKS, runs=ran))
    unknown = (build.summary(usage=Usage()),)
    assert "| Cost so far | unknown (own runs unknown, sub-issues $0.50) |" in lines(parent(CLOSED, runs=unknown))


def test_a_parent_has_no_pull_request_of_its_own_to_wait_for() -> None:
    assert not any(line.startswith("| Pull request") for line in lines(parent(CLOSED)))
    assert "| Pull request | #31 |" in lines(parent(CLOSED, pull=31))


def test_many_who_ask_are_counted() -> None:
    asking = tuple(ASKS.model_copy(update={"number": number, "why": ""}) for number in range(20, 23 + ASKING_SHOWN))
    told = lines(parent(*asking))
    assert ("* #20 is `needs_review`: see there." in told, "* and 3 more" in told) == (True, True)


def test_of_very_many_sub_issues_only_the_numbers_are_shown() -> None:
    nodes = tuple(WAITS.model_copy(update={"number": number}) for number in range(20, 121))
    assert render_graph(parent(CLOSED, *nodes))[-1].splitlines()[2:] == ["| `blocked` | 101 |", "| closed | 1 |"]


@pytest.mark.parametrize(
    ("state", "status", "kind"),
    [
        (NodeState.COMPLETED, Status.DONE, "closed"),
        (NodeState.DROPPED, None, "dropped"),
        (NodeState.OPEN, None, "others"),
        (NodeState.OPEN, Status.ROUTED, "work"),
        (NodeState.OPEN, Status.IN_REVIEW, "review"),
        (NodeState.OPEN, Status.BLOCKED, "waits"),
        (NodeState.OPEN, Status.PAUSED, "person"),
        (NodeState.OPEN, Status.CANCELLED, "person"),
    ],
)
def test_every_sub_issue_has_a_colour(state: NodeState, status: Status | None, kind: str) -> None:
    node = Node(number=13, title="First", state=state, status=status)
    assert (kind_of(node), kind in COLOURS) == (kind, True)


def test_a_sub_issue_that_ended_without_being_closed_waits_for_a_person() -> None:
    ended = ASKS.model_copy(update={"status": Status.CANCELLED})
    assert "| #15 Third | `cancelled`, but open |  |  | unknown |" in lines(parent(ended))
    assert acts_next(parent(ended)) == "a person with write access, on #15"


def test_a_stopped_parent_asks_for_nobody_at_children_that_were_stopped_with_it() -> None:
    head = render_graph(parent(STOPPED, ASKS).advance(Trigger.PAUSE, "So."))[1]
    assert "#15" in head
    assert "#18" not in head


def test_where_all_is_closed_people_say_whether_that_is_enough() -> None:
    assert buttons_of(parent(CLOSED).advance(Trigger.PARK, "So.")) == (Word.APPROVE, Word.RETRY)


def test_a_parent_without_any_sub_issue_says_so() -> None:
    assert render_graph(parent()) == ["**0 of 0 sub-issues are closed.**"]


@pytest.mark.parametrize(
    ("record", "who"),
    [
        (parent(CLOSED, started=False), "Orch: it creates the sub-issues"),
        (parent(CLOSED, WAITS, ASKS), "a person with write access, on #15"),
        (parent(CLOSED, WAITS), "its sub-issues"),
        (parent(WAITS, IN_REVIEW), "its sub-issues; a reviewer, on #17"),
        (parent(CLOSED, OTHERS), "whoever works on #16, for Orch does not"),
        (
            parent(WAITS, OTHERS.model_copy(update={"number": 15, "waits_for": ("#14",)})),
            "a person, who takes one of the links between #14, #15 out",
        ),
        (build.record(Status.BLOCKED, lock_holder=9), "the task of #9, which holds a path that this one works on"),
        (build.record(Status.BLOCKED, blockers=(Blocker(task=build.task(3)),)), "other tasks"),
        (build.record(Status.BLOCKED, blockers=(Blocker(task=build.task(3), stuck="it asks"),)), "a person, at #3"),
    ],
)
def test_who_acts_next_is_named_with_the_place(record: TaskRecord, who: str) -> None:
    assert acts_next(record) == who
    assert f"| Who acts next | {who} |" in lines(record)


def test_a_part_of_a_plan_shows_what_it_belongs_to_and_waits_for() -> None:
    blockers = (
        *(Blocker(task=build.task(n)) for n in range(2, 9)),
        Blocker(task=build.task(9), state=NodeState.COMPLETED),
    )
    record = build.record(
        Status.BLOCKED, parent=build.task(1), blockers=blockers, locks=("a", "b|c", "d", "e"), lock_holder=15
    )
    assert lines(record)[8:12] == [
        "| Part of | #1 |",
        "| Waits for | #2, #3, #4, #5, #6 and 2 more |",
        "| Works on | `a`, `b c`, `d` and 1 more |",
        "| Held by | #15, which works on the same paths |",
    ]


def rebuilt(body: str) -> TaskRecord:
    found = parse_marker(body, KEYRING, TASK.repository.id, TASK.number)
    assert found is not None
    return found


@examine_few
@given(st.sampled_from(["x", "<", "|", "😀", "`", "*", "\x00", "@a "]), st.integers(1, 100), st.integers(0, 50))
def test_a_comment_with_a_hundred_sub_issues_is_never_too_long(sign: str, count: int, waits: int) -> None:
    there = Repository(id=9, installation_id=5, owner="o" * 39, name="n" * 100)
    nodes = tuple(
        Node(
            number=10**6 + number,
            id=10**10,
            repository=there,
            key="k" * 40,
            digest="d" * 64,
            title=(sign * 256)[:256],
            status=Status.NEEDS_REVIEW,
            why=(sign * 200)[:200],
            waits_for=tuple(f"{there.full_name}#{one}" for one in range(waits)),
        )
        for number in range(count)
    )
    blockers = tuple(Blocker(task=build.task(n, there), stuck=sign * 200) for n in range(50))
    record = parent(*nodes, why=sign * 1000, blockers=blockers, locks=("<" * 400,) * 50, runs=(build.summary(),))
    body = render_comment(record, KEYRING)
    kept = rebuilt(body).graph
    assert len(body) <= LIMIT
    assert kept is not None
    assert [node.number for node in kept.nodes] == [node.number for node in nodes]


def test_a_hundred_ordinary_sub_issues_are_all_listed() -> None:
    nodes = tuple(
        ASKS.model_copy(update={"number": number, "title": f"Do the part {number} " * 5, "why": "w" * 200})
        for number in range(100, 200)
    )
    body = render_comment(parent(*nodes), KEYRING)
    assert (len(body) <= LIMIT, body.count("\n| #1")) == (True, 100)


@examine_few
@given(sign=st.sampled_from(["x", "<", "😀", "`", "*"]), waits=st.booleans())
def test_a_comment_with_a_plan_is_never_too_long_and_keeps_its_boxes(*, sign: str, waits: bool) -> None:
    keys = [f"{'k' * 37}{number:03}" for number in range(MOST_CHILDREN)]
    items = tuple(
        Item(key=key, title=sign * LONGEST_TITLE, paths=(sign * 260,), depends_on=tuple(keys[:number]))
        for number, key in enumerate(keys)
    )
    plan = Proposal(digest="d", summary=sign * 1000, items=items)
    record = build.record(
        Status.NEEDS_REVIEW,
        plan=plan,
        locks=("<" * 400,) * 50,
        runs=(build.summary(outcome=Outcome.PLANNED if waits else Outcome.AGENT_FAILED, reason="r" * 3000),) * 40,
    )
    body = render_comment(record, KEYRING)
    assert len(body) <= LIMIT
    kept = rebuilt(body)
    assert (kept.runs[-1].outcome, body.count("- [x] `")) == (record.runs[-1].outcome, MOST_CHILDREN if waits else 0)
    assert kept.plan is not None
    assert [item.depends_on for item in kept.plan.items] == [item.depends_on for item in items]
