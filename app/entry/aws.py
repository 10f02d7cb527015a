"""The Lambda functions' handlers. What a webhook does not need is imported by the functions that do."""

from typing import TYPE_CHECKING, Any

from app.entry.aws_web import web

if TYPE_CHECKING:
    from app.entry.aws_container import Context

__all__ = ["events", "runs", "sweep", "web"]


def events(event: dict[str, Any], context: "Context") -> dict[str, Any]:
    """Handle messages of the events queue; those that are still on it are reported as failed, for Lambda to leave."""
    from app.entry.aws_container import container  # noqa: PLC0415 - see above

    return container().events(event, context)


def sweep(event: object, context: "Context") -> None:
    """Look after runners, and, when it is time, for what no webhook told."""
    from app.entry.aws_container import container  # noqa: PLC0415 - see above

    container().sweep(context)


def runs(event: object, context: "Context") -> dict[str, Any]:
    """Answer a runner."""
    from app.entry.aws_container import container  # noqa: PLC0415 - see above

    return container().runs(event, context)
