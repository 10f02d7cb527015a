"""What an agent is told."""

from app.domain.grants import Grant
from runner.agents.base import Prompt

RULES = """\
You work without a person beside you, in the working directory, which holds a checkout of the repository.
Change files there until the task is done, and check your work with the repository's own tests where there are any.
Orch commits and pushes what you leave: do not commit, push, or open pull requests yourself.
Touch nothing outside the working directory. At the end say in a few sentences what you changed and why."""


def work_prompt(grant: Grant, *, resumed: bool, kept: bool) -> Prompt:
    """Write the prompt of a run: the admitted text, the rules, and notes on the attempts before."""
    parts = [f"# {grant.title}", grant.body.strip(), f"# How you work\n\n{RULES}"]
    if grant.notes:
        parts.append("\n".join(["# What was tried before", "", *(f"* {note}" for note in grant.notes)]))
    if kept and not resumed:
        parts.append(
            "The working directory holds what the last attempt left unfinished: look at it, and go on from there."
        )
    if resumed:
        parts.insert(
            0,
            "You were cut off. Look at the working directory, which may not hold all that you did, and go on with the"
            " task from there.",
        )
    return Prompt(text="\n\n".join(part for part in parts if part), body=grant.body)
