"""From a plan that an agent made to sub-issues: proposed, agreed to, created."""

from decimal import Decimal

import pytest

from app.domain.complexity import Complexity
from app.domain.effects import AddComment, CreateChild, Decision, KeepText, LinkChild, Send
from app.domain.events import WorkspaceExpired
from app.domain.graph import Graph
from app.domain.graph_events import GraphDue
from app.domain.jobs import Purpose
from app.domain.ledger import Ledger
from app.domain.names import digest_of
from app.domain.outcomes import Outcome
from app.domain.proposal import propose
from app.domain.record import TaskRecord
from app.domain.strategies.planning import BY_ITSELF, WAITS, create, creation, plan_again, planned
from app.domain.strategies.starting import SHOW, begin
from app.domain.task import Status, Trigger
from tests.unit import build, families
from tests.unit.build import RUN, TASK
from tests.unit.families import graph, node, planned_child, proposal

PLAN = families.plan()
BODY = PLAN.model_dump_json()
DIGEST = digest_of("", BODY)
FIRST = (SHOW[0],)
KEPT = KeepText(digest=DIGEST, title="", body=BODY)
DUE = Send(event=GraphDue(task=TASK))
CREATED = (CreateChild(key="a"), CreateChild(key="b"), LinkChild(key="b", after="a"), DUE)


def at_plan(**changes: object) -> TaskRecord:
    return build.record(Status.IN_PROGRESS, **{"purpose": Purpose.PLAN, "run_id": None, **changes})


def test_a_plan_is_proposed_and_waits_for_a_person() -> None:
    event = build.finished(build.result(Outcome.PLANNED, plan=PLAN))
    decision = planned(event, PLAN, at_plan(), FIRST, build.snapshot())
    after = at_plan(plan=propose(PLAN, DIGEST)).advance(Trigger.PARK, WAITS)
    said = f"The agent proposes 2 sub-issues; Orch's comment above shows them. {WAITS}"
    call = AddComment(task=TASK, key=f"planned-{RUN}", body=said)
    tidy = Send(event=WorkspaceExpired(task=TASK, attempt=1), delay=build.POLICY.keep_failed)
    assert decision == Decision("the agent made a plan", after, (*FIRST, KEPT, *SHOW, call, tidy))


def test_with_full_autonomy_nobody_is_asked() -> None:
    event = build.finished(build.result(Outcome.PLANNED, plan=PLAN))
    snapshot = build.snapshot(policy=build.POLICY.model_copy(update={"autonomy": "full"}))
    decision = planned(event, PLAN, at_plan(), FIRST, snapshot)
    created = create(at_plan(plan=propose(PLAN, DIGEST)), BY_ITSELF)
    assert decision == Decision(created.why, created.record, (*FIRST, KEPT, *created.effects))


def estimate(ledger: Ledger | None) -> Decimal | None:
    plan = families.plan(planned_child("a", complexity=Complexity.SIMPLE), planned_child("b", agent="claude"))
    event = build.finished(build.result(Outcome.PLANNED, plan=plan))
    record = planned(event, plan, at_plan(), (), build.snapshot(ledger=ledger)).record
    assert isinstance(record, TaskRecord)
    assert record.plan is not None
    return record.plan.estimate


def test_a_plan_is_estimated_by_what_such_runs_cost() -> None:
    ledger = Ledger().learn("script", Complexity.SIMPLE, Decimal(2), 1, succeeded=True)
    assert estimate(ledger.learn("claude", None, Decimal(1), 1, succeeded=True)) == Decimal(3)
    unclear = Ledger().learn("script", None, Decimal(5), 1, succeeded=True)
    assert estimate(unclear.learn("claude", None, Decimal(1), 1, succeeded=True)) == Decimal(6)


@pytest.mark.parametrize("ledger", [None, Ledger().learn("script", None, Decimal(2), 1, succeeded=True)])
def test_i10_an_estimate_is_unknown_as_soon_as_that_of_one_child_is(ledger: Ledger | None) -> None:
    assert estimate(ledger) is None


def test_an_approved_plan_is_created_in_order_and_then_started() -> None:
    known = build.record(Status.NEEDS_REVIEW, plan=proposal())
    approved = known.change(plan=proposal(approved_by="`writer`"), graph=Graph())
    why = "`writer` approved the plan; 2 sub-issues are being created."
    after = approved.advance(Trigger.BLOCK, why, job_id=None)
    assert create(known, "`writer`") == Decision("`writer` approved the plan", after, (*SHOW, *CREATED))


def test_what_is_there_already_is_not_created_again() -> None:
    known = build.record(Status.NEEDS_REVIEW, plan=proposal(), graph=graph(node("a", 21), started=False))
    assert creation(known, looks=True) == (CreateChild(key="b", looks=True), *CREATED[2:])
    assert creation(known.change(graph=None), looks=False) == CREATED


def test_a_plan_is_made_anew_by_what_was_said() -> None:
    known = build.record(Status.NEEDS_REVIEW, plan=proposal(), purpose=Purpose.PLAN)
    said = build.instruction()
    decision = plan_again(known, build.snapshot(), "So.", ((said, "Hm."),))
    routed, effects = begin(known, build.snapshot(), "So.", purpose=Purpose.PLAN, changes={"instructions": (said,)})
    kept = KeepText(digest=said.digest, title="", body="Hm.")
    assert decision == Decision("So.", routed, (kept, *effects, build.SOON))
