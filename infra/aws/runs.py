"""The Runs port for a runner on AWS: each call is one of a Lambda function that has store, secrets and GitHub."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from app.domain.errors import Retryable
from app.domain.grants import Grant, Order, Progress, Refused, RunToken, TokenKind
from app.domain.jobs import Job
from app.domain.outcomes import RunResult
from infra.aws.clients import Clients
from infra.aws.run_calls import Answer, AskToken, Beat, Begin, Call, Finish, GiveBack, GiveUp, Revoke

T = TypeVar("T")
Invoke = Callable[[bytes], Awaitable[bytes]]
BEGUN: TypeAdapter[Grant | Refused] = TypeAdapter(Grant | Refused)
ORDER: TypeAdapter[Order] = TypeAdapter(Order)
TOKEN: TypeAdapter[RunToken] = TypeAdapter(RunToken)
YES_OR_NO: TypeAdapter[bool] = TypeAdapter(bool)
NOTHING: TypeAdapter[None] = TypeAdapter(None)
PASSING = ("Runtime.", "Sandbox.")
"""How Lambda's own words begin for a function that was out of time or memory, or did not start."""


class FunctionFailed(Exception):
    """The function ended with an error that it has no word for: a mistake of Orch itself."""


@dataclass(frozen=True, slots=True)
class Function:
    """Invokes one Lambda function, by name or ARN, and waits for its answer."""

    clients: Clients
    name: str

    async def __call__(self, payload: bytes) -> bytes:
        """Return what the function returns, as JSON. Raises Retryable, FunctionFailed, and what `Clients` does."""
        response = await self.clients.call("lambda", "invoke", FunctionName=self.name, Payload=payload)
        said: bytes = response["Payload"]
        if "FunctionError" in response:
            raise _failed(self.name, said)
        return said


def _failed(name: str, said: bytes) -> Exception:
    try:
        error: Any = json.loads(said)
        kind, message = str(error.get("errorType", "")), str(error.get("errorMessage", ""))
    except (ValueError, AttributeError):
        kind, message = "", said.decode(errors="replace")[:200]
    text = f"the function {name} failed: {kind}: {message}"
    if kind.startswith(PASSING) or "Task timed out" in message:
        return Retryable(text)
    return FunctionFailed(text)


@dataclass(frozen=True, slots=True)
class LambdaRuns:
    """Implement `app.ports.Runs` by asking."""

    invoke: Invoke

    async def begin(self, job: Job, runner: str) -> Grant | Refused:
        """Make a new run current."""
        return await self._ask(BEGUN, Begin(job=job, runner=runner))

    async def beat(self, run_id: str, job: Job, progress: Progress) -> Order:
        """Say that the run is alive."""
        return await self._ask(ORDER, Beat(run_id=run_id, job=job, progress=progress))

    async def token(self, run_id: str, job: Job, kind: TokenKind) -> RunToken:
        """Get a token for the current run."""
        return await self._ask(TOKEN, AskToken(run_id=run_id, job=job, kind=kind))

    async def revoke(self, run_id: str, job: Job, token: RunToken) -> None:
        """Revoke a token."""
        await self._ask(NOTHING, Revoke(run_id=run_id, job=job, token=token))

    async def give_back(self, run_id: str, job: Job, kept: str | None = None) -> None:
        """End a run that cannot go on for now."""
        await self._ask(NOTHING, GiveBack(run_id=run_id, job=job, kept=kept))

    async def give_up(self, job: Job, reason: str) -> None:
        """Tell the task that its job was set aside."""
        await self._ask(NOTHING, GiveUp(job=job, reason=reason))

    async def finish(self, run_id: str, job: Job, result: RunResult) -> bool:
        """Record how the run ended."""
        return await self._ask(YES_OR_NO, Finish(run_id=run_id, job=job, result=result))

    async def _ask(self, kind: TypeAdapter[T], call: Call) -> T:
        said = await self.invoke(call.model_dump_json().encode())
        try:
            answer = Answer.model_validate_json(said)
            if answer.raised is None:
                return kind.validate_python(answer.returned)
        except ValidationError as error:  # what it said may hold a token
            raise Retryable(
                f"the runs function's answer to `{call.call}` cannot be read ({error.error_count()} fields do not fit):"
                " runner and function must be of one version of Orch"
            ) from None
        raise answer.raised.error_again()
