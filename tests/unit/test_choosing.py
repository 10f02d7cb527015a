"""Asking a model about a new task, and going on with what it says."""

from dataclasses import replace

import pytest

from app.domain.advice import Advice
from app.domain.complexity import Complexity
from app.domain.config import RepoFile, resolve
from app.domain.effects import AskRouter, KeepText, Send, SetLabels, UpsertComment
from app.domain.events import SlotWanted
from app.domain.facts import Permission
from app.domain.policy import Policy
from app.domain.pool import Pool
from app.domain.record import TaskRecord
from app.domain.router import Classifier, Mode, RouterPolicy
from app.domain.routing_events import TaskRouted
from app.domain.snapshot import Snapshot
from app.domain.strategies.choosing import ASKED, ask_again, take_advice
from app.domain.task import Status
from handlers.issues import issue_labeled
from tests.unit import build
from tests.unit.build import NOW, TASK

LLM = RouterPolicy(mode=Mode.LLM, llm=Classifier(wire="anthropic", model="m", key="KEY"), roles={"tester": "Test."})
POLICY = Policy(agents=("script", "claude"), router=LLM)
ADVICE = Advice(agent="claude", complexity=Complexity.SIMPLE, role="tester")
WHY = "Agent `claude` was chosen by the model that the operator has asked; the task waits for a runner."


def seen(known: TaskRecord | None = None, *labels: str, pool: Pool | None = None) -> Snapshot:
    at = build.issue("orch", *labels)
    made = build.snapshot(known, at, Permission.WRITE, policy=POLICY, config=resolve(POLICY, RepoFile()))
    return replace(made, pool=pool or Pool())


def waiting(**changes: object) -> TaskRecord:
    """Make a task that waits for advice."""
    return build.record(Status.NEW, attempt=0, job_id=None, why=ASKED, commented=False, remarks=("R.",), **changes)


def routed(advice: Advice = ADVICE, digest: str | None = None) -> TaskRouted:
    return TaskRouted(task=TASK, digest=digest or waiting().admitted, advice=advice)


def test_a_new_task_has_a_model_asked_before_anything_else() -> None:
    decision = issue_labeled(build.labeled(), seen(pool=Pool(parked={"claude": NOW.replace(hour=20)})))
    assert isinstance(decision.record, TaskRecord)
    assert (decision.record.status, decision.record.why, decision.record.job_id) == (Status.NEW, ASKED, None)
    asked = AskRouter(task=TASK, digest=decision.record.admitted, agents=("script",))
    kept = KeepText(digest=decision.record.admitted, title=build.TITLE, body=build.BODY)
    assert decision.effects[:4] == (kept, SetLabels(), UpsertComment(), asked)


def test_a_label_leaves_nothing_to_ask() -> None:
    decision = issue_labeled(build.labeled(), seen(None, "agent:claude", "complexity:simple", "priority:low"))
    [wanted] = [one.event for one in decision.effects if isinstance(one, Send) and isinstance(one.event, SlotWanted)]
    assert (wanted.agent, wanted.priority) == ("claude", "low")


def test_a_task_begins_with_what_the_model_says() -> None:
    decision = take_advice(routed(), seen(waiting()))
    record = decision.record
    assert isinstance(record, TaskRecord)
    assert (record.agent, record.complexity, record.role, record.advice) == ("claude", "simple", "tester", ADVICE)
    assert (record.status, record.why, record.named) == (Status.ROUTED, WHY, False)
    assert (record.commented, record.remarks) == (False, ("R.",))


def test_without_advice_the_next_in_turn_works_and_people_are_told_why() -> None:
    decision = take_advice(
        routed(Advice(failed="no answer within 5 s")), seen(waiting(), pool=Pool(asked={"script": 1, "claude": 0}))
    )
    assert decision.why == "Agent `claude` was chosen in turn (no answer within 5 s); the task waits for a runner."


def test_a_task_whose_agent_is_parked_says_so() -> None:
    pool = Pool(parked={"claude": NOW.replace(hour=13)})
    decision = take_advice(routed(), seen(waiting(), "agent:claude", pool=pool))
    assert decision.why == (
        "Agent `claude` was chosen by the label `agent:claude`; its provider takes no more calls until 13:00 UTC, so"
        " the task waits until then."
    )


@pytest.mark.parametrize("known", [None, waiting(advice=ADVICE)])
def test_i2_advice_that_nobody_waits_for_changes_nothing(known: TaskRecord | None) -> None:
    assert take_advice(routed(), seen(known)).record is None


def test_advice_on_another_text_changes_nothing() -> None:
    assert take_advice(routed(digest="0" * 64), seen(waiting())).record is None


def test_a_task_that_moved_on_only_remembers_advice() -> None:
    paused = build.record(Status.PAUSED)
    decision = take_advice(routed(), seen(paused))
    assert (decision.record, decision.effects) == (paused.change(advice=ADVICE), ())


def test_advice_that_was_lost_is_asked_for_again() -> None:
    decision = ask_again(waiting(), seen())
    assert decision is not None
    assert decision.effects[-1] == AskRouter(task=TASK, digest=waiting().admitted, agents=POLICY.agents)
    assert ask_again(waiting(advice=ADVICE), seen()) is None
    assert ask_again(build.record(), seen()) is None


def test_where_all_agents_are_parked_a_model_may_choose_any() -> None:
    pool = Pool(parked=dict.fromkeys(POLICY.agents, NOW.replace(hour=13)))
    decision = ask_again(waiting(), seen(pool=pool))
    assert decision is not None
    assert decision.effects[-1] == AskRouter(task=TASK, digest=waiting().admitted, agents=POLICY.agents)
