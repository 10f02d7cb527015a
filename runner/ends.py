"""How a run ends: what the agent's end amounts to, and which ends leave something to go on from."""

from app.domain.errors import Retryable
from app.domain.outcomes import Outcome
from app.domain.policy import RunLimits
from runner.agents.base import EndStatus
from runner.story import Story
from runner.supervision import Exit, ExitReason

KEEPS_WORK = (
    Outcome.TIMED_OUT,
    Outcome.STALLED,
    Outcome.BUDGET_SPENT,
    Outcome.APPROVAL_NEEDED,
    Outcome.PROVIDER_LIMITED,
)
"""Ends after which the next run goes on from what is there: none is the agent's failure."""
LAST_WORDS = {
    EndStatus.FAILED: Outcome.AGENT_FAILED,
    EndStatus.CANCELLED: Outcome.AGENT_FAILED,
    EndStatus.LIMIT_REACHED: Outcome.BUDGET_SPENT,
    EndStatus.BUDGET_SPENT: Outcome.BUDGET_SPENT,
    EndStatus.PROVIDER_LIMITED: Outcome.PROVIDER_LIMITED,
}


class Ending(Exception):
    """The run ends here, with this outcome."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


def failed_end(ended: Exit, story: Story, limits: RunLimits) -> Ending | None:
    """Return what an agent's end amounts to; None only if it said that it is done, and its process agrees.

    Raises Retryable if it could not work at all.
    """
    match ended.reason:
        case ExitReason.WALL_TIME:
            return Ending(Outcome.TIMED_OUT, f"the agent took longer than {limits.wall_seconds:g} s")
        case ExitReason.SILENCE:
            return Ending(Outcome.TIMED_OUT, f"the agent said nothing for {limits.silence_seconds:g} s")
        case ExitReason.WORKSPACE_BUSY | ExitReason.SUPERVISOR_LOST:
            raise Retryable(f"{ended.reason.value}: {ended.detail}")
        case ExitReason.NOT_STARTED:
            said = story.ended.reason if story.ended else f"exit code {ended.code}"
            return Ending(Outcome.INFRASTRUCTURE_FAILED, f"the sandbox could not be set up: {said}")
        case ExitReason.STOPPED | ExitReason.EXITED:
            return _last_word(ended, story)


def _last_word(ended: Exit, story: Story) -> Ending | None:
    if story.ended is not None and story.ended.status in LAST_WORDS:
        code = f" (exit code {ended.code})" if ended.code else ""
        return Ending(LAST_WORDS[story.ended.status], f"{story.ended.reason}{code}")
    if ended.signal is not None:
        return Ending(Outcome.AGENT_FAILED, f"the agent was ended by signal {ended.signal}")
    if story.ended is None:
        return Ending(Outcome.AGENT_FAILED, f"the agent ended with exit code {ended.code} and no last word")
    if ended.code:
        return Ending(Outcome.AGENT_FAILED, f"{story.ended.reason} (exit code {ended.code})")
    return None
