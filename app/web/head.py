"""What must be known of a payload before it is taken, and of that no more than what is as expected."""

import json
from typing import Any, NamedTuple

# Of a link GitHub tells both ends, each in the name of the issue's own repository.
OWN_END = {
    "sub_issue_added": "parent_issue",
    "sub_issue_removed": "parent_issue",
    "parent_issue_added": "sub_issue",
    "parent_issue_removed": "sub_issue",
    "blocked_by_added": "blocked_issue",
    "blocked_by_removed": "blocked_issue",
    "blocking_added": "blocking_issue",
    "blocking_removed": "blocking_issue",
}


class Head(NamedTuple):
    """The part of a payload that says what it is about: ids of repository and installation, and numbers.

    `issue` is the one in whose name it was sent. What is not as expected counts for not there: what a payload means
    is decided later, by its reader.
    """

    action: str | None = None
    repository: int | None = None
    full_name: str | None = None
    issue: int | None = None
    pull: int | None = None
    installation: int | None = None


def read_head(body: bytes) -> Head | None:
    """Read the head of a payload; None if the body is no JSON object."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(payload, dict):
        return None
    action = _text(payload.get("action"))
    return Head(
        action,
        _number(payload, "repository", "id"),
        _text(_of(payload, "repository", "full_name")),
        _number(payload, OWN_END.get(action or "", "issue"), "number"),
        _number(payload, "pull_request", "number"),
        _number(payload, "installation", "id"),
    )


def _of(payload: dict[str, Any], thing: str, field: str) -> Any:
    found = payload.get(thing)
    return found.get(field) if isinstance(found, dict) else None


def _number(payload: dict[str, Any], thing: str, field: str) -> int | None:
    value = _of(payload, thing, field)
    return value if type(value) is int else None


def _text(value: Any) -> str | None:
    """Take no lone surrogates: they cannot be written down."""
    return (
        value if isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value) else None
    )
