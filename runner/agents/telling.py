"""What the adapters of several CLIs do alike: what a CLI is started with, and what its standard error means."""

import re
from collections.abc import Iterable
from pathlib import Path

from runner.agents.base import Assignment, EndStatus, base_environment

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_COMMANDS = ("/", "!", "@", "#")
_LIMITED = re.compile(r"\b(429|529)\b|rate.?limit|resource.?exhausted|quota|overloaded", re.IGNORECASE)


def plain_prompt(said: str) -> str:
    """Return the prompt so that its first word is none of the commands that a CLI takes in a prompt."""
    return f"Task: {said}" if said.lstrip().startswith(_COMMANDS) else said


def environment_beside(program: str, work: Assignment) -> dict[str, str]:
    """Build an agent's environment, in which what lies beside its program is found first.

    A version manager puts `node` beside the CLIs that are written for it, and in no place that all programs share.
    """
    env = base_environment(work.home, work.tmp)
    return env | {"PATH": f"{Path(program).parent}:{env['PATH']}"} if Path(program).is_absolute() else env


def plain_line(line: bytes) -> str:
    """Return a line of standard error without colours."""
    return _COLOUR.sub("", line.decode("utf-8", "replace")).strip()


def failure(reason: str, status: int | None = None) -> EndStatus:
    """Say whether an error is the provider's, which takes no more calls for now, or another one."""
    limited = status in (429, 529) or (status is None and _LIMITED.search(reason))
    return EndStatus.PROVIDER_LIMITED if limited else EndStatus.FAILED


def total_of(counts: Iterable[int | None]) -> int | None:
    """Add up counts; one that is not known leaves the sum unknown."""
    told = list(counts)
    known = [each for each in told if each is not None]
    return sum(known) if len(known) == len(told) else None
