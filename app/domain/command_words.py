"""The commands that there are, each with what it takes, who may use it, and what people are told about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain.powers import Power

MOST_DOLLARS = 10_000


class Word(StrEnum):
    """The commands' names."""

    ORCH = "orch"
    WHY = "why"
    RETRY = "retry"
    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    PLAN = "plan"
    APPROVE = "approve"
    DENY = "deny"
    AGENT = "agent"
    REVIEW = "review"
    REBASE = "rebase"
    MERGE = "merge"
    OK_TO_RUN = "ok-to-run"
    LOG = "log"


class Takes(StrEnum):
    """What may follow a command on its line; any text may follow that."""

    NOTHING = "nothing"
    REASON = "reason"
    CHOICE = "choice"
    AGENT = "agent"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class CommandKind:
    """A command as people are told about it; `usage` is what follows the word, optional parts in brackets."""

    word: Word
    help: str
    power: Power
    takes: Takes = Takes.NOTHING
    usage: str = ""
    example: str = ""

    @property
    def shown(self) -> str:
        return f"/{self.word.value} {self.usage}".strip()

    @property
    def powers(self) -> tuple[Power, ...]:
        """List what its author must be allowed to do, without and with an amount of money."""
        return (self.power, Power.BUDGET) if self.takes is Takes.BUDGET else (self.power,)


_KINDS = (
    CommandKind(Word.ORCH, "List these commands.", Power.READ),
    CommandKind(Word.WHY, "Say what the task waits for, and who must act next.", Power.READ),
    CommandKind(
        Word.RETRY,
        "Another attempt, at the text of now; with an open pull request another round, with the text as instruction.",
        Power.WRITE,
        Takes.CHOICE,
        "[agent] [model] [text]",
        "/retry codex please also run the linter",
    ),
    CommandKind(Word.STOP, "Stop the agent within seconds; what it did so far is pushed and kept.", Power.WRITE),
    CommandKind(
        Word.PAUSE, "Let the agent come to the end of its turn, then stop; nothing starts until `/resume`.", Power.WRITE
    ),
    CommandKind(
        Word.RESUME,
        "Go on with what was stopped, paused or parked, in the same session where the agent can.",
        Power.WRITE,
    ),
    CommandKind(Word.CANCEL, "End the task; its pull request stays open.", Power.WRITE),
    CommandKind(
        Word.PLAN,
        "Have an agent plan the issue as sub-issues; text says what to change in a plan that waits for approval.",
        Power.WRITE,
        Takes.REASON,
        "[change]",
        "/plan split the second one by module",
    ),
    CommandKind(
        Word.APPROVE,
        "Allow the plan or tool call that the task waits with; with `budget`, let it spend that many more US dollars.",
        Power.WRITE,
        Takes.BUDGET,
        "[budget AMOUNT]",
        "/approve budget 5",
    ),
    CommandKind(
        Word.DENY,
        "Refuse the plan, which is made anew by the reason, or the tool call that the task waits with.",
        Power.WRITE,
        Takes.REASON,
        "[reason]",
        "/deny not on the main branch",
    ),
    CommandKind(
        Word.AGENT,
        "Have another agent, or model, do the task from its next run on.",
        Power.WRITE,
        Takes.AGENT,
        "NAME [model]",
        "/agent codex",
    ),
    CommandKind(
        Word.REVIEW,
        "Have an agent review the pull request; text says what to look at.",
        Power.WRITE,
        Takes.CHOICE,
        "[agent] [model] [text]",
        "/review look at the error messages",
    ),
    CommandKind(Word.REBASE, "Bring the pull request up to date with its base branch.", Power.WRITE),
    CommandKind(Word.MERGE, "Merge the pull request as soon as it is approved and green.", Power.MERGE),
    CommandKind(
        Word.OK_TO_RUN,
        "Let Orch work on an issue that somebody without write access wrote, as its text is now.",
        Power.WRITE,
    ),
    CommandKind(Word.LOG, "Show the end of the last run's log.", Power.WRITE),
)
COMMANDS: Mapping[Word, CommandKind] = {kind.word: kind for kind in _KINDS}
