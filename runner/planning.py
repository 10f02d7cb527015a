"""Runs that answer in JSON: what is read out of their agents' last words, and what is wrong with it."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from app.domain.grants import Grant
from app.domain.jobs import Purpose
from app.domain.outcomes import Outcome
from app.domain.plan import MOST_PROBLEMS, MOST_TEXT, BadPlan, Plan, Verdict, read_plan, read_verdict
from app.domain.schemas import show
from app.redaction import Redaction
from runner.ends import Ending
from runner.story import Story

ANSWERS = (Purpose.PLAN, Purpose.INTEGRATION)
"""What ends in such an answer."""
MOST_MENDED = 2
"""Times that an agent is told what is wrong with its answer."""
LONGEST_ANSWER = 4 * MOST_TEXT
"""Characters of an answer that are looked through: JSON spells much out, and there may be words before it."""


def story_for(purpose: Purpose) -> Story:
    """Make the story of a run, which remembers as much as has to be read of it."""
    return Story(longest_answer=LONGEST_ANSWER if purpose in ANSWERS else 0)


def problems_of(grant: Grant, story: Story, redaction: Redaction) -> tuple[str, ...]:
    """List what is wrong with an agent's answer: nothing where none is read."""
    if grant.purpose not in ANSWERS:
        return ()
    try:
        _read(grant, story.answer, redaction)
    except BadPlan as error:
        return error.problems
    return ()


def read_answer(grant: Grant, story: Story, redaction: Redaction) -> Plan | Verdict:
    """Return what a run found, without secrets; raises Ending if its agent's answer cannot be used."""
    try:
        return _read(grant, story.answer, redaction)
    except BadPlan as error:
        what = "plan" if grant.purpose is Purpose.PLAN else "verdict"
        reason = f"the agent's {what} cannot be used: {' '.join(error.problems)}"
        raise Ending(Outcome.AGENT_FAILED, reason) from error


def ending_of(found: Plan | Verdict) -> Ending:
    """Say how a run ends that found something."""
    if isinstance(found, Plan):
        count = len(found.children)
        return Ending(Outcome.PLANNED, f"the agent planned {count} sub-issue{'s' if count != 1 else ''}.")
    met = sum(criterion.met for criterion in found.criteria)
    return Ending(Outcome.CHECKED, f"the agent found {met} of {len(found.criteria)} criteria met.")


def _read(grant: Grant, text: str, redaction: Redaction) -> Plan | Verdict:
    """Read an answer and take secrets out of it; raises BadPlan."""
    found = read_plan(text) if grant.purpose is Purpose.PLAN else read_verdict(text)
    if isinstance(found, Plan) and (problems := list(_unknown_names(grant, found))):
        raise BadPlan(problems[:MOST_PROBLEMS])
    try:
        return type(found).model_validate(_hidden(found.model_dump(mode="json"), redaction))
    except ValidationError:
        raise BadPlan(["a key, role or agent in it looks like a secret; name it otherwise."]) from None


def _unknown_names(grant: Grant, plan: Plan) -> Iterator[str]:
    """Say which agents and roles there are not; where none are known any may be meant."""
    for index, child in enumerate(plan.children):
        for what, named, known in (("agent", child.agent, grant.agents), ("role", child.role, grant.roles)):
            if named and known and named not in known:
                there_are = ", ".join(f"`{name}`" for name in known)
                yield f"children[{index}].{what}: {show(named)} is none of {there_are}; name one of these or none."


def _hidden(value: Any, redaction: Redaction) -> Any:
    match value:
        case str():
            return redaction.text(value)[: len(value)]  # no longer than it may be
        case list():
            return [_hidden(item, redaction) for item in value]
        case dict():
            return {name: _hidden(item, redaction) for name, item in value.items()}
        case _:
            return value
