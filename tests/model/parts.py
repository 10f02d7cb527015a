"""What the wires of the model server share."""

import uuid
from typing import Any

Event = tuple[str | None, dict[str, Any] | str]
"""A server-sent event: its name, if it has one, and its data."""

_KINDS = {401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}


def new_id(prefix: str) -> str:
    """Make an id that no other answer has."""
    return prefix + uuid.uuid4().hex[:20]


def refuse(status: int) -> dict[str, Any]:
    """Return an error as both Anthropic's and OpenAI's clients read it."""
    kind = _KINDS.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": f"scripted {status}", "code": kind}}
