"""What a runner on AWS says to the runs function, and how that answers. Both sides import these types."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from app.domain.base import Value
from app.domain.errors import Missing, Permanent, Retryable, Unauthorized
from app.domain.grants import Progress, RunToken, TokenKind
from app.domain.jobs import Job
from app.domain.outcomes import RunResult
from app.ports import Conflict

ERRORS = {kind.__name__: kind for kind in (Retryable, Unauthorized, Missing, Permanent, Conflict)}
"""What a runner acts upon, and so is an answer; other errors end the call as what they are: mistakes."""


class Begin(Value):
    call: Literal["begin"] = "begin"
    job: Job
    runner: str


class Beat(Value):
    call: Literal["beat"] = "beat"
    run_id: str
    job: Job
    progress: Progress


class AskToken(Value):
    call: Literal["token"] = "token"
    run_id: str
    job: Job
    kind: TokenKind


class Revoke(Value):
    call: Literal["revoke"] = "revoke"
    run_id: str
    job: Job
    token: RunToken


class GiveBack(Value):
    call: Literal["give_back"] = "give_back"
    run_id: str
    job: Job
    kept: str | None = None


class GiveUp(Value):
    call: Literal["give_up"] = "give_up"
    job: Job
    reason: str


class Finish(Value):
    call: Literal["finish"] = "finish"
    run_id: str
    job: Job
    result: RunResult


Call = Begin | Beat | AskToken | Revoke | GiveBack | GiveUp | Finish
CALL: TypeAdapter[Call] = TypeAdapter(Annotated[Call, Field(discriminator="call")])


class Raised(Value):
    """One of `ERRORS`, and what it said."""

    error: str
    message: str
    delay: float | None = None

    @classmethod
    def of(cls, error: Exception) -> "Raised":
        """Put an error that is one of `ERRORS` into a value."""
        name = next(name for name, kind in ERRORS.items() if isinstance(error, kind))
        return cls(error=name, message=str(error), delay=getattr(error, "delay", None))

    def error_again(self) -> Exception:
        """Make the error anew."""
        kind = ERRORS.get(self.error, Permanent)
        return Retryable(self.message, self.delay) if kind is Retryable else kind(self.message)


class Answer(Value):
    """What a call returned, as JSON, or raised."""

    returned: Any = None
    raised: Raised | None = None
