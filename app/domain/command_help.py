"""What people are told about commands: all that there are, and what was wrong with theirs."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from app.domain.command_words import COMMANDS
from app.domain.powers import Power
from app.domain.said import Mistake
from app.domain.text import neutralise, spell

WIDTH = 100
WHO: Mapping[Power, str] = {
    Power.READ: "everybody with access",
    Power.WRITE: "people with write access",
    Power.BUDGET: "those whom `budget_approvers` names",
    Power.MERGE: "those whom `mergers` names",
}


class HelpRow(NamedTuple):
    """A command as people are told about it, in Markdown."""

    command: str
    help: str
    who: str
    example: str


def help_rows(who: Mapping[Power, str] = WHO) -> tuple[HelpRow, ...]:
    """List the commands with what each does; `who` says in words who has a power here."""
    return tuple(
        HelpRow(f"`{kind.shown}`", kind.help, _who(kind.powers, who), f"`{kind.example or kind.shown}`")
        for kind in COMMANDS.values()
    )


def _who(powers: tuple[Power, ...], who: Mapping[Power, str]) -> str:
    return "; for a budget ".join(who[power] for power in powers)


def readme_table(who: Mapping[Power, str] = WHO) -> str:
    """Render the commands as a table in Markdown."""
    lines = ["| command | what it does | who may | example |", "| --- | --- | --- | --- |"]
    return "\n".join((*lines, *(f"| {' | '.join(row)} |" for row in help_rows(who))))


def render_mistake(mistake: Mistake) -> str:
    """Show what is wrong in a line, why, and what may be meant; nothing in the line counts where it is shown.

    It stands in a quotation, so that no other bot takes its line for a command to itself.
    """
    before, wrong, after = _parts(mistake)
    line = neutralise(f"{before}{wrong}{after}"[:WIDTH], 2 * WIDTH, inside=True)
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", line)), 3)
    code = (fence, line, " " * len(before) + "^" * max(len(wrong), 1), fence)
    nearest = f" Did you mean `{mistake.nearest}`?" if mistake.nearest else ""
    why = mistake.why[0].upper() + mistake.why[1:]
    return "\n".join((*(f"> {part}" for part in code), "", f"{why}.{nearest} `/orch` lists the commands."))


def _parts(mistake: Mistake) -> tuple[str, str, str]:
    """Return the line before, at and behind what is wrong, with nothing in them that is not seen."""
    start, end = mistake.column, mistake.column + mistake.length
    text = mistake.line_text
    return spell(text[:start]), spell(text[start:end])[: WIDTH // 2], spell(text[end : end + WIDTH])
