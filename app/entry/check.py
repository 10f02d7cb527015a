"""What an examination finds."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """What came of a check; only FAILED keeps Orch from working as it is set up."""

    OK = "ok"
    NOTE = "note"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was examined, and what to do about it."""

    check: str
    result: Result
    detail: str
    advice: str = ""


def failed(checks: Sequence[Check]) -> bool:
    """Say whether anything keeps Orch from working as it is set up."""
    return any(check.result is Result.FAILED for check in checks)
