"""The runs function's side of the Runs port: a call as JSON is one of the port, its result or error JSON again."""

from typing import Any

from pydantic import ValidationError

from app.domain.base import Value
from app.log import bound, log
from app.ports import Runs
from infra.aws.run_calls import CALL, ERRORS, Answer, Call, Raised

NO_CALL = Raised(error="Permanent", message="the runs function knows no such call: is the runner of another version?")


async def answer(runs: Runs, event: object) -> dict[str, Any]:
    """Do what a runner asks for, and return what to tell it; raises what a runner has no use for."""
    try:
        call = CALL.validate_python(event)
    except ValidationError as error:  # its text would repeat what was sent, tokens included
        log().error("refused", reason=f"no call that is known: {error.error_count()} fields do not fit")
        return Answer(raised=NO_CALL).model_dump(mode="json")
    with bound(call=call.call, job=call.job.id, task=str(call.job.task), **_run_of(call)):
        try:
            returned = await _do(runs, call)
        except tuple(ERRORS.values()) as error:
            log().info("refused", error=type(error).__name__, reason=str(error))
            return Answer(raised=Raised.of(error)).model_dump(mode="json")
    said = returned.model_dump(mode="json") if isinstance(returned, Value) else returned
    return Answer(returned=said).model_dump(mode="json")


def _run_of(call: Call) -> dict[str, str]:
    run: str | None = getattr(call, "run_id", None)
    return {"run": run} if run else {}


async def _do(runs: Runs, call: Call) -> object:
    """Call the method that the call is named after; its fields are named after the parameters."""
    given = {name: getattr(call, name) for name in type(call).model_fields if name != "call"}
    returned: object = await getattr(runs, call.call)(**given)
    return returned
