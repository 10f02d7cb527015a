"""What people with write access tell an agent beside the admitted text: comments, reviews, texts after commands."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from app.domain.base import Value

LONGEST = 16_000
"""Characters of one instruction that an agent is told."""
MOST_WAITING = 20
"""Instructions that wait to be delivered to an agent; further ones are refused until some were."""
MOST_KEPT = 40


class Told(Value):
    """An instruction with its text, as an agent gets it; `author` is a login."""

    key: str
    author: str
    text: str


class Kind(StrEnum):
    """Where an instruction came from: a mention may be a question, a review has threads, read when it is met."""

    COMMENT = "comment"
    MENTION = "mention"
    REVIEW = "review"


class Instruction(Value):
    """Something a person said to the agent, on the issue or pull request `where`.

    `digest` names the artifact that holds its text, empty if it has none (a review with nothing but threads). `run_id`
    is the run whose agent was told.
    """

    key: str
    kind: Kind
    author: str
    where: int
    digest: str
    at: datetime
    run_id: str | None = None


def waiting(instructions: Collection[Instruction]) -> tuple[Instruction, ...]:
    """List those that no agent was told yet."""
    return tuple(one for one in instructions if one.run_id is None)


def with_new(known: tuple[Instruction, ...], *new: Instruction) -> tuple[Instruction, ...]:
    """Add instructions, each once; the oldest that were delivered are forgotten."""
    keys = {one.key for one in known}
    joined = (*known, *(one for one in new if one.key not in keys))
    spare = len(joined) - MOST_KEPT
    gone = {one.key for one in [one for one in joined if one.run_id][: max(spare, 0)]}
    return tuple(one for one in joined if one.key not in gone)


def delivered(known: tuple[Instruction, ...], keys: Collection[str], run_id: str) -> tuple[Instruction, ...]:
    """Note that a run's agent was told some of them."""
    return tuple(
        one.model_copy(update={"run_id": run_id}) if one.key in keys and one.run_id is None else one for one in known
    )


def given_back(known: tuple[Instruction, ...], run_id: str) -> tuple[Instruction, ...]:
    """Let instructions wait again whose telling came to nothing."""
    return tuple(one.model_copy(update={"run_id": None}) if one.run_id == run_id else one for one in known)


def for_now(instructions: Collection[Instruction]) -> tuple[Instruction, ...]:
    """List those that wait and can be told in the middle of a run; a review is met by a round of its own."""
    return tuple(one for one in waiting(instructions) if one.kind is not Kind.REVIEW)
