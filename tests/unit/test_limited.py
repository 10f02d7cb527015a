"""A provider that takes no more calls: its agent is parked, and the task goes on with another one, or later."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.admission_events import AgentParked
from app.domain.choice import Choice
from app.domain.config import RepoFile, resolve
from app.domain.effects import Decision, Send
from app.domain.events import SlotFreed, SlotWanted
from app.domain.jobs import Purpose
from app.domain.outcomes import Outcome
from app.domain.policy import Policy
from app.domain.pool import Pool
from app.domain.record import TaskRecord
from app.domain.router import RouterPolicy
from app.domain.strategies.limited import MOST_LIMITED
from app.domain.strategies.single import after_run
from app.domain.task import Status
from tests.unit import build
from tests.unit.build import JOB, NOW, RUN

POLICY = Policy(agents=("script", "claude"), router=RouterPolicy(model_map={"claude": "large"}))
LIMITED = Outcome.PROVIDER_LIMITED
SOON = NOW + timedelta(minutes=20)
HEAD = "The provider of `script` takes no more calls: It ended. That agent is parked until 12:20 UTC"


def decide(pool: Pool | None = None, until: datetime | None = SOON, **known: object) -> Decision:
    snapshot = build.snapshot(policy=POLICY, config=resolve(POLICY, RepoFile()))
    ended = build.finished(build.result(LIMITED, limited_until=until, session="s1"))
    return after_run(ended, build.record().change(**known), replace(snapshot, pool=pool or Pool()))


def after(decision: Decision) -> TaskRecord:
    assert isinstance(decision.record, TaskRecord)
    return decision.record


def parked(decision: Decision) -> datetime:
    [event] = [one.event for one in decision.effects if isinstance(one, Send) and isinstance(one.event, AgentParked)]
    assert event.agent == "script"
    return event.until


def test_the_next_agent_goes_on_with_its_own_model_and_it_is_no_attempt() -> None:
    decision = decide(tries=2, rounds=1)
    record = after(decision)
    assert (record.agent, record.model, record.tries, record.rounds) == ("claude", "large", 2, 1)
    assert (record.status, record.chosen) == (Status.ROUTED, "because `script` is parked until 12:20 UTC")
    assert record.why == f"{HEAD}; `claude` goes on from what there is."


def test_the_agent_is_parked_before_a_slot_is_wanted() -> None:
    kinds = [type(one.event) for one in decide().effects if isinstance(one, Send)]
    assert kinds.index(SlotFreed) < kinds.index(AgentParked) < kinds.index(SlotWanted)


def test_what_only_the_last_agent_was_told_is_told_again() -> None:
    told = build.instruction(run_id=RUN)
    assert [one.run_id for one in after(decide(instructions=(told,))).instructions] == [None]
    assert [one.run_id for one in after(decide(instructions=(told,), named=True)).instructions] == [RUN]


@pytest.mark.parametrize(
    "known", [{"named": True}, {"purpose": Purpose.REVIEW, "reviewer": Choice(agent="script"), "pull": 30}]
)
def test_an_agent_that_a_person_named_is_waited_for(known: dict[str, Any]) -> None:
    record = after(decide(**known))
    assert record.agent == "script"
    how = "`/stop`, and then `/retry NAME`, has another one go on."
    assert record.why == f"{HEAD}, and the task waits for it, as a person named it. {how}"


def test_a_reviewer_that_nobody_named_is_replaced() -> None:
    assert after(decide(purpose=Purpose.REVIEW, pull=30)).agent == "claude"


def test_where_all_are_parked_the_first_that_is_back_goes_on() -> None:
    record = after(decide(Pool(parked={"claude": NOW + timedelta(minutes=5)})))
    assert (record.agent, record.status) == ("claude", Status.ROUTED)
    assert record.why == f"{HEAD}, and so are all others for now; `claude` goes on at 12:05 UTC."


def test_where_no_other_is_back_sooner_the_same_one_goes_on() -> None:
    record = after(decide(Pool(parked={"claude": NOW + timedelta(hours=5)})))
    assert (record.agent, record.why) == (
        "script",
        f"{HEAD}, and the task waits until then, as no other agent can go on.",
    )


@pytest.mark.parametrize(
    ("told", "until"),
    [
        (None, NOW + timedelta(seconds=POLICY.provider_pause)),
        (NOW - timedelta(seconds=1), NOW + timedelta(seconds=POLICY.provider_pause)),
        (SOON, SOON),
        (NOW + timedelta(days=400), NOW + timedelta(days=8)),
    ],
)
def test_a_time_is_believed_within_bounds(told: datetime | None, until: datetime) -> None:
    assert parked(decide(until=told)) == until


def test_i12_limits_in_a_row_come_to_an_end() -> None:
    long_ago = NOW - timedelta(days=2)
    runs = tuple(build.summary(f"r{number}", outcome=LIMITED, ended_at=long_ago) for number in range(MOST_LIMITED - 1))
    decision = decide(runs=runs)
    assert after(decision).status is Status.NEEDS_REVIEW
    assert decision.why.startswith("Providers took no more calls again and again: It ended.")
    assert parked(decision) == SOON


def test_another_end_in_between_begins_the_count_anew() -> None:
    long_ago = NOW - timedelta(days=2)
    limited = tuple(build.summary(f"r{number}", outcome=LIMITED, ended_at=long_ago) for number in range(MOST_LIMITED))
    failed = build.summary("failed", outcome=Outcome.AGENT_FAILED, ended_at=long_ago)
    assert after(decide(runs=(*limited, failed))).status is Status.ROUTED


def test_other_ends_park_nobody() -> None:
    ended = build.finished(build.result(Outcome.AGENT_FAILED))
    decision = after_run(ended, build.record(), build.snapshot(policy=POLICY))
    assert SlotFreed(job_id=JOB.id) == next(one.event for one in decision.effects if isinstance(one, Send))
    assert not any(isinstance(one, Send) and isinstance(one.event, AgentParked) for one in decision.effects)
