"""Which of our errors an answer of GitHub's is.

gidgethub's own reading is not used for refusals: it knows no limit without the three x-ratelimit headers, and fails on
a status outside the standard (520) or a 422 without a message.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

from app.domain.errors import Missing, Permanent, Retryable, Unauthorized

SECONDARY_DELAY = 60.0
MESSAGE_LENGTH = 500
LIMIT_WORDS = ("rate limit", "abuse detection", "submitted too quickly")


class Limited(Retryable):
    """A primary or secondary rate limit; nothing may be sent for `delay` seconds."""


class Rejected(Permanent):
    """A 4xx that is no limit; `said` is GitHub's message with the single errors."""

    def __init__(self, request: str, status: int, said: str, advice: str = "") -> None:
        super().__init__(f"{request}: {status} {said}{advice}")
        self.status = status
        self.said = said


class Unauthenticated(Rejected, Unauthorized):
    """A 401: the key is another App's, was taken back, or our clock is wrong."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def said(self) -> str:
        """Return GitHub's message and errors in one line, or the status' own phrase."""
        data = _object(self.body)
        message = str(data.get("message") or _phrase(self.status))
        return "; ".join([message, *_complaints(data.get("errors"))])[:MESSAGE_LENGTH]


def fault_of(request: str, answer: Answer, now: datetime) -> Retryable | Permanent:
    """Return the error that `answer`, of status 400 or above, is to `request` ("GET /path")."""
    said = answer.said
    delay = limit_delay(answer, said, now)
    if delay is not None:
        return Limited(f"{request}: {answer.status} {said}", delay)
    match answer.status:
        case status if status >= 500 or status == 408:
            return Retryable(f"{request}: {status} {said}", _seconds(answer.headers.get("retry-after")))
        case 404 | 410:
            return Missing(f"{request}: {answer.status} {said}")
        case 401:
            return Unauthenticated(request, 401, said)
        case status:
            return Rejected(request, status, said, _advice(answer))


def limit_delay(answer: Answer, said: str, now: datetime) -> float | None:
    """Return the seconds to keep silent if `answer` is a rate limit, else None.

    The order is GitHub's: `retry-after`, then the reset of a used-up primary limit, then a minute.
    """
    if answer.status not in (403, 422, 429):
        return None
    worded = any(words in said.lower() for words in LIMIT_WORDS)
    if answer.status == 422:
        return SECONDARY_DELAY if worded else None
    after = _seconds(answer.headers.get("retry-after"))
    if after is not None:
        return after
    reset = _seconds(answer.headers.get("x-ratelimit-reset"))
    if answer.headers.get("x-ratelimit-remaining") == "0" and reset is not None:
        return max(1.0, math.ceil(reset - now.timestamp()))
    return SECONDARY_DELAY if worded or answer.status == 429 else None


def _advice(answer: Answer) -> str:
    needed = answer.headers.get("x-accepted-github-permissions")
    if answer.status != 403 or not needed:
        return ""
    return f"; grant the App {needed} and let the owner of the installation accept it"


def _seconds(header: str | None) -> float | None:
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        data = json.loads(body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _complaints(errors: Any) -> Iterator[str]:
    for error in errors if isinstance(errors, list) else [errors]:
        match error:
            case str():
                yield error
            case {"message": str(message)}:
                yield message
            case {"code": code, **rest}:
                yield f"{rest.get('field', rest.get('resource', ''))} {code}".strip()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no message"
