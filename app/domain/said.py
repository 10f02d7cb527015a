"""What a comment says to Orch: commands, mistakes in them, or text beside a mention."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256

from app.domain.command_words import COMMANDS, Takes, Word
from app.domain.powers import Power


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a comment.

    `amount` is US dollars. `text` is what follows: a reason, or an instruction for the agent, as it was written, so
    `untrusted.clean` is for whoever hands it on. `line` counts from 1.
    """

    word: Word
    agent: str | None = None
    model: str | None = None
    amount: Decimal | None = None
    text: str = ""
    line: int = 1

    @property
    def power(self) -> Power:
        """Say what its author must be allowed to do."""
        return Power.BUDGET if self.amount is not None else COMMANDS[self.word].power


@dataclass(frozen=True, slots=True)
class Mistake:
    """What looks like a command and cannot be followed; `column` and `length` tell what is wrong in its line."""

    line_text: str
    column: int
    length: int
    why: str
    nearest: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What a comment says to Orch; `mention` is what stands beside a mention of it, None if it is not mentioned."""

    commands: tuple[Command, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    mention: str | None = None


def fresh(said: Said, heard: Collection[str]) -> Said:
    """Return what was not said before; `heard` are the keys of what was."""
    return Said(
        tuple(command for command in said.commands if key_of(command) not in heard),
        tuple(mistake for mistake in said.mistakes if key_of(mistake) not in heard),
        said.mention if said.mention is not None and key_of(said.mention) not in heard else None,
    )


def key_of(one: Command | Mistake | str) -> str:
    """Tell what was said from all else that can be said, wherever in the comment it stands; a mention is its text.

    Text counts only where it instructs: a mended typo in a thank-you after `/approve` approves nothing anew.
    """
    if isinstance(one, Mistake):
        return _key("mistake", one.line_text)
    if isinstance(one, str):
        return _key("mention", one)
    text = one.text if COMMANDS[one.word].takes is Takes.CHOICE else ""
    amount = "" if one.amount is None else f"{one.amount:.2f}"
    return _key(one.word.value, one.agent or "", one.model or "", amount, text)


def _key(kind: str, *parts: str) -> str:
    said = "\0".join(" ".join(part.split()) for part in parts)
    return f"{kind}:{sha256(said.encode(errors='replace')).hexdigest()[:16]}"
