"""What passes between a runner and the rest."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from app.domain.approvals import Answer
from app.domain.base import Value
from app.domain.facts import Identity, Thread
from app.domain.instructions import Told
from app.domain.jobs import Purpose
from app.domain.outcomes import Usage
from app.domain.policy import RunLimits
from app.domain.record import Unfinished


class TokenKind(StrEnum):
    """What a run's token is for."""

    FETCH = "fetch"
    PUSH = "push"


class RunToken(Value):
    """A GitHub token for one repository; never printed. `clone_url` is where that is now, if it is known."""

    value: str
    expires_at: datetime
    clone_url: str | None = None

    def __repr__(self) -> str:
        return "RunToken(***)"

    __str__ = __repr__


class Resumable(Value):
    """A session of the same agent for the same text to go on with, and what its runs used so far."""

    id: str
    usage: Usage


class FailedCheck(Value):
    """A check that failed on the task's branch: what it said of itself, and the end of its log (empty: none)."""

    name: str
    summary: str = ""
    log: str = ""


class ChildWork(Value):
    """A sub-issue as an integration run is told of it; `repository` is its full name where that is another."""

    number: int
    title: str
    completed: bool
    pull: int | None = None
    repository: str | None = None


class Grant(Value):
    """Leave to run: everything the runner needs to know, and nothing it could misuse later.

    `start_sha` is the head of the task's branch, None before there is one. `unfinished` is what an earlier run left
    to go on from, `notes` are sentences on the attempts before, `answers` what people said of calls that it asked for.
    `instructions` are those that wait, `discussion` is what people with write access said on the issue before, `quoted`
    what others did, to be shown as material; `threads` and `failures` are what a REWORK is about. `role` is what
    the operator says to agents with the task's role. `plan` is the one that a PLAN amends, as JSON and as raw as an
    agent wrote it; `agents` and `roles` are those that a plan may name. `children` are what an INTEGRATION checks.
    """

    run_id: str
    clone_url: str
    base_branch: str
    start_sha: str | None
    title: str
    body: str
    agent: str
    model: str | None
    author: Identity
    requested_by: str
    requested_by_id: int
    limits: RunLimits
    profile: str
    purpose: Purpose = Purpose.WORK
    unfinished: Unfinished | None = None
    session: Resumable | None = None
    notes: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    instructions: tuple[Told, ...] = ()
    discussion: tuple[Told, ...] = ()
    quoted: tuple[Told, ...] = ()
    threads: tuple[Thread, ...] = ()
    failures: tuple[FailedCheck, ...] = ()
    role: str = ""
    plan: str = ""
    agents: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    children: tuple[ChildWork, ...] = ()


class Refused(Value):
    """No leave to run. `again_in` is None when the job is not wanted any more, else seconds to wait.

    `counts` says that waiting is a failure of the job, so that it does not wait for ever.
    """

    reason: str
    again_in: float | None = None
    counts: bool = False


class Progress(Value):
    """What a run is doing now, for people; what it delivered to its agent so far, and spent (None: not known)."""

    step: str
    delivered: tuple[str, ...] = ()
    spent: Decimal | None = None


class Stop(StrEnum):
    """How a run that is to stop does so.

    DROP leaves nothing behind. KEEP ends the agent and pushes what is there. TURN lets it come to the end of its turn
    first, and then is as KEEP.
    """

    DROP = "drop"
    KEEP = "keep"
    TURN = "turn"


class Order(Value):
    """What a run must do: stop, or end because it is no longer current; and what its agent is to be told now.

    An instruction stays in `inbox` until a beat's Progress says that it was delivered.
    """

    stop: Stop | None = None
    current: bool = True
    inbox: tuple[Told, ...] = ()
