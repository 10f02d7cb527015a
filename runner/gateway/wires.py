"""How the wires differ for the gateway: prefixes, where credentials stand, what an error looks like."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, unquote_plus

from runner.agents.base import Wire

_CALLS = {
    "/messages": Wire.ANTHROPIC,
    "/chat/completions": Wire.OPENAI_CHAT,
    "/completions": Wire.OPENAI_CHAT,
    "/responses": Wire.OPENAI_RESPONSES,
    "/responses/compact": Wire.OPENAI_RESPONSES,
    ":generateContent": Wire.GEMINI,
    ":streamGenerateContent": Wire.GEMINI,
}
_FREE = ("/count_tokens", "/input_tokens", ":countTokens")
_KEY_HEADERS = ("x-api-key", "x-goog-api-key", "api-key")
CREDENTIALS = frozenset({"authorization", "cookie", *_KEY_HEADERS})
_QUERY_KEY = "key"
_ERRORS = {
    400: ("invalid_request_error", "INVALID_ARGUMENT"),
    401: ("authentication_error", "UNAUTHENTICATED"),
    403: ("permission_error", "PERMISSION_DENIED"),
    404: ("not_found_error", "NOT_FOUND"),
    413: ("request_too_large", "INVALID_ARGUMENT"),
    502: ("api_error", "UNAVAILABLE"),
}


def prefix(wire: Wire) -> str:
    """Return the part of a path that stands for the address of the model server."""
    return "/v1" if wire in {Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES} else ""


def credentials(headers: Mapping[str, str], query: str) -> Iterator[str]:
    """Yield whatever a request authenticates with, in any of the wires."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield token.strip()
    for name in _KEY_HEADERS:
        if name in headers:
            yield headers[name]
    for name, value in parse_qsl(query, max_num_fields=None, errors="surrogateescape"):
        if name == _QUERY_KEY:
            yield value


def without_credentials(query: str) -> str:
    """Return the query without its key; the rest stays as it is written."""
    return "&".join(pair for pair in query.split("&") if unquote_plus(pair.partition("=")[0]) != _QUERY_KEY)


def authorization(wire: Wire, key: str) -> tuple[str, str]:
    """Return the header in which the wire has a key."""
    match wire:
        case Wire.ANTHROPIC:
            return "x-api-key", key
        case Wire.GEMINI:
            return "x-goog-api-key", key
        case _:
            return "Authorization", f"Bearer {key}"


def spoken(path: str) -> Wire | None:
    """Return the wire of a model call to that path, whatever else its server speaks; None: it is no model call."""
    return next((wire for end, wire in _CALLS.items() if path.endswith(end)), None)


def takes_tokens(method: str, path: str) -> bool:
    """Say whether a call is billed for all one can know; servers have more kinds of them than are known here."""
    return method == "POST" and path.startswith("/v1") and not path.endswith(_FREE)


def model_of(path: str) -> str | None:
    """Return the model that a path of Gemini names."""
    model, _, verb = unquote(path.rpartition("/models/")[2]).partition(":")
    return model if verb else None


def guess(headers: Mapping[str, str], path: str) -> Wire:
    """Return the wire that a stranger most likely speaks, to be understood when refusing."""
    if "x-goog-api-key" in headers:
        return Wire.GEMINI
    if "anthropic-version" in headers:
        return Wire.ANTHROPIC
    return spoken(path) or Wire.OPENAI_CHAT


def error(wire: Wire, status: int, message: str) -> dict[str, Any]:
    """Return the body of an error as the wire's clients read it."""
    kind, google = _ERRORS[status]
    match wire:
        case Wire.ANTHROPIC:
            return {"type": "error", "error": {"type": kind, "message": message}}
        case Wire.GEMINI:
            return {"error": {"code": status, "message": message, "status": google}}
        case _:
            return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def refused(wire: Wire) -> int:
    """Return the status at which clients of the wire stop at once.

    A 401 or 429 is repeated by most of them. Codex repeats a 403 for seven seconds, Claude Code asks five times more
    after a 400, each time for less; the others stop at either.
    """
    return 403 if wire is Wire.ANTHROPIC else 400


def is_straight(path: str) -> bool:
    """Say whether a path leads nowhere but down, however often a server may decode it."""
    while (plain := unquote(path)) != path:
        path = plain
    parts = (part.split(";")[0].strip() for part in path.replace("\\", "/").split("/"))
    return path.isascii() and path.isprintable() and "#" not in path and not any(part in {".", ".."} for part in parts)
