"""What people are told of outside GitHub, by whom the operator chose for it: see ORCH_NOTIFY."""

import re
from enum import StrEnum

from app.domain.base import Value
from app.domain.invisible import INVISIBLE
from app.domain.outcomes import Outcome
from app.domain.record import TaskRecord
from app.domain.task import Status

LONGEST = 300
MOST = 80
"""Percent of what a run may spend from which on that is told."""

FAILED = (
    Outcome.AGENT_FAILED,
    Outcome.STALLED,
    Outcome.TIMED_OUT,
    Outcome.PROVIDER_LIMITED,
    Outcome.INFRASTRUCTURE_FAILED,
)
"""How the last attempt ended if a task waits for a person because it failed."""

_JOINER = "\N{WORD JOINER}"
_LOOKALIKES = str.maketrans(
    {
        "<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
        ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
        "[": "(",
        "]": ")",
        "`": "'",
        "*": "\N{ASTERISK OPERATOR}",
        "~": "\N{TILDE OPERATOR}",
        "|": "\N{BROKEN BAR}",
    }
)
_LINKS = re.compile(r"@(?=\w)|(?<=:)/(?=/)|(?<=\w)\.(?=[^\W\d]{2})")


class Kind(StrEnum):
    """What a rule can ask for."""

    NEEDS_PERSON = "needs_person"
    DONE = "done"
    FAILED = "failed"
    BUDGET = "budget"


class Notice(Value):
    """A message: `title` names the task and what became of it, `text` says why, `url` leads to the issue.

    It goes to whoever asked for any of its `kinds`, once.
    """

    kinds: tuple[Kind, ...]
    title: str
    text: str
    url: str


def notices(before: TaskRecord | None, after: TaskRecord, web_url: str) -> tuple[Notice, ...]:
    """Say what people are to be told of a task whose record changed; `web_url` is where GitHub's pages are."""
    told = _of_status(before, after) or _of_spending(before, after)
    if told is None:
        return ()
    kinds, what, why = told
    task = after.task
    url = f"{web_url.rstrip('/')}/{task.repository.full_name}/issues/{task.number}"
    return (Notice(kinds=kinds, title=f"{task} {what}", text=plain(why), url=url),)


def trial(web_url: str) -> Notice:
    """Return the notice by which rules are tried."""
    return Notice(
        kinds=tuple(Kind), title="Orch can reach you", text="This is a test; nothing is to be done.", url=web_url
    )


def _of_status(before: TaskRecord | None, after: TaskRecord) -> tuple[tuple[Kind, ...], str, str] | None:
    if before is not None and before.status is after.status:
        return None
    match after.status:
        case Status.DONE:
            return (Kind.DONE,), "is done", after.why
        case Status.CANCELLED:
            return (Kind.DONE,), "was cancelled", after.why
        case Status.NEEDS_REVIEW:
            return *_of_ending(before, after), after.why
        case _:
            return None


def _of_ending(before: TaskRecord | None, after: TaskRecord) -> tuple[tuple[Kind, ...], str]:
    """Tell by the run that has just ended, if one has, why the task waits for a person."""
    known = {run.run_id for run in before.runs} if before else set()
    outcome = after.runs[-1].outcome if after.runs and after.runs[-1].run_id not in known else None
    if outcome is Outcome.BUDGET_SPENT:
        return (Kind.BUDGET, Kind.NEEDS_PERSON), "reached a limit and needs a person"
    if outcome in FAILED:
        return (Kind.FAILED, Kind.NEEDS_PERSON), "failed and needs a person"
    return (Kind.NEEDS_PERSON,), "needs a person"


def _of_spending(before: TaskRecord | None, after: TaskRecord) -> tuple[tuple[Kind, ...], str, str] | None:
    if ((before and before.spent_share) or 0) >= MOST or (after.spent_share or 0) < MOST:
        return None
    why = "At 100 % the run ends with its work kept, and a person is asked."
    return (Kind.BUDGET,), f"has spent {after.spent_share} % of what its run may", why


def plain(text: str, limit: int = LONGEST) -> str:
    """Return text on one line in which no chat finds a mention, a link, markup or anything unseen; cut to `limit`."""
    flat = " ".join(INVISIBLE.sub("", re.sub(r"\s", " ", text)).translate(_LOOKALIKES).split())
    cut = flat if len(flat) <= limit else flat[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return _LINKS.sub(rf"\g<0>{_JOINER}", cut)
