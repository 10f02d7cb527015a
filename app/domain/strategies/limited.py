"""Going on where an agent's provider takes no more calls: with another agent, or with the same one later."""

from datetime import datetime, timedelta
from itertools import takewhile

from app.domain.admission_events import AgentParked
from app.domain.config import Resolved
from app.domain.effects import Decision, Effect, Send
from app.domain.events import RunFinished
from app.domain.instructions import given_back
from app.domain.jobs import Purpose
from app.domain.outcomes import Outcome
from app.domain.pool import Pool
from app.domain.record import TaskRecord
from app.domain.routing import describe_time, model_for
from app.domain.snapshot import Snapshot
from app.domain.strategies.choosing import layers
from app.domain.strategies.starting import begin, show_soon
from app.domain.text import one_line, sentence

MOST_LIMITED = 10
"""Runs in a row that a provider's limit ended, after which a person is asked."""
LONGEST = timedelta(days=8)
"""No provider's window is longer than a week."""


def is_limited(event: RunFinished) -> bool:
    """Say whether the run ended because a provider takes no more calls."""
    return event.result.outcome is Outcome.PROVIDER_LIMITED


def may_pass_on(event: RunFinished, record: TaskRecord) -> bool:
    """Say whether the task goes on by itself after such an end, which counts as no attempt, but not for ever."""
    in_a_row = takewhile(lambda run: run.outcome is Outcome.PROVIDER_LIMITED, reversed(record.runs))
    return is_limited(event) and sum(1 for _ in in_a_row) < MOST_LIMITED


def park(event: RunFinished, snapshot: Snapshot) -> tuple[Effect, ...]:
    """Let the agent get no slot until its provider takes calls again, whatever task asks for it."""
    if not is_limited(event):
        return ()
    return (Send(event=AgentParked(agent=event.result.agent, until=_until(event, snapshot))),)


def pass_on(event: RunFinished, record: TaskRecord, first: tuple[Effect, ...], snapshot: Snapshot) -> Decision:
    """Begin the next run with the next agent that may be used, or with the one that is back first.

    The work goes along; the session does not, so that what only the last agent was told is told again.
    """
    resolved, last = layers(snapshot), event.result.agent
    pool = snapshot.pool.park(last, _until(event, snapshot))
    agent = last if _is_named(record) else _next(resolved, pool, snapshot.now)
    changes: dict[str, object] = {"remarks": snapshot.remarks}
    if agent != last:
        changes |= {
            "agent": agent,
            "model": model_for(resolved, agent, record.complexity),
            "chosen": f"because `{one_line(last)}` is parked until {describe_time(pool.parked[last], snapshot.now)}",
            "instructions": given_back(record.instructions, event.run_id),
        }
    why = _say(event, agent, pool, snapshot.now, named=_is_named(record))
    routed, effects = begin(
        record, snapshot, why, purpose=record.purpose, tries=record.tries, rounds=record.rounds, changes=changes
    )
    return Decision(why, routed, (*first, *effects, *show_soon(routed, snapshot)))


def _until(event: RunFinished, snapshot: Snapshot) -> datetime:
    """Return until when the agent is parked; what it says itself is believed within bounds."""
    told, now = event.result.limited_until, snapshot.now
    if told is None or told <= now:
        return now + timedelta(seconds=snapshot.policy.provider_pause)
    return min(told, now + LONGEST)


def _is_named(record: TaskRecord) -> bool:
    """Say whether a person named the agent that worked: then no other one takes its place."""
    if record.purpose is Purpose.REVIEW and record.reviewer.agent is not None:
        return True
    return record.named


def _next(resolved: Resolved, pool: Pool, now: datetime) -> str:
    agents = resolved.policy.agents
    return next(iter(pool.free(agents, now)), "") or pool.first_back(agents)


def _say(event: RunFinished, agent: str, pool: Pool, now: datetime, *, named: bool) -> str:
    last = event.result.agent
    until = describe_time(pool.parked[last], now)
    head = f"The provider of `{one_line(last)}` takes no more calls: {sentence(event.result.reason)}"
    parked = f"{head} That agent is parked until {until}"
    if pool.is_free(agent, now):
        return f"{parked}; `{agent}` goes on from what there is."
    if agent != last:
        back = describe_time(pool.parked[agent], now)
        return f"{parked}, and so are all others for now; `{agent}` goes on at {back}."
    if named:
        other = "`/stop`, and then `/retry NAME`, has another one go on."
        return f"{parked}, and the task waits for it, as a person named it. {other}"
    return f"{parked}, and the task waits until then, as no other agent can go on."
