"""The webhook's plain core: what becomes of a delivery, on a server and on Lambda alike.

The standard library alone is imported here, so that the first delivery to a new Lambda waits for nothing else.
"""

import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from app.domain.groups import group_of
from app.github.wanted import is_read
from app.web.head import Head

LARGEST = 25 * 1024 * 1024
"""Bytes; GitHub sends no larger payload."""
DELIVERY = re.compile(r"[A-Za-z0-9._:-]{1,128}")
EVENT = re.compile(r"[a-z0-9_]{1,64}")
Read = Callable[[bytes], Head | None]


class Answer(NamedTuple):
    """An HTTP status and one word or sentence for the delivery log."""

    status: int
    text: str


class Delivery(NamedTuple):
    """A delivery to be put on the queue. `about` names its issue or pull request, for the log."""

    id: str
    name: str
    action: str | None
    group: str
    about: Mapping[str, str]


NO_POST = Answer(405, "GitHub delivers webhooks here by POST: make this address the Webhook URL in the App's settings")
TOO_LARGE = Answer(413, f"more than {LARGEST} bytes")
UNSIGNED = Answer(401, "the signature is missing or wrong: is the webhook secret the same on both sides?")
NO_JSON = Answer(415, "Orch reads JSON: set the webhook's content type to application/json")
NO_DELIVERY = Answer(400, "X-GitHub-Delivery or X-GitHub-Event is missing or malformed")
NO_OBJECT = Answer(400, "the body is not a JSON object")
PONG = Answer(200, "pong")
IGNORED = Answer(202, "ignored: this event or action means nothing to Orch")
TAKEN = Answer(202, "taken")
TAKEN_BEFORE = Answer(202, "taken before")
NOT_TAKEN = Answer(503, "the queue does not take deliveries now")


def judge(headers: Mapping[str, str], body: bytes, secrets: Iterable[bytes], read: Read) -> Answer | Delivery:
    """Answer a request, or return the delivery that is answered only after it lies in the queue.

    Header names are in lower case; `body` is what was signed with one of the secrets, decoded from whatever carried it.
    What no reader is there for is not kept: a later version finds what it missed by looking at GitHub.
    """
    refusal = _refusal(headers, body, secrets)
    if refusal is not None:
        return refusal
    name = headers["x-github-event"]
    if name == "ping":
        return PONG
    head = read(body)
    if head is None:
        return NO_OBJECT
    if not is_read(name, head.action):
        return IGNORED
    return Delivery(headers["x-github-delivery"], name, head.action, _group(head), _about(head))


def _refusal(headers: Mapping[str, str], body: bytes, secrets: Iterable[bytes]) -> Answer | None:
    """Refuse what is no delivery by its headers; the signature comes first, so that a stranger learns nothing."""
    if len(body) > LARGEST:
        return TOO_LARGE
    signature = headers.get("x-hub-signature-256", "").encode()
    if not any(_is_signed(signature, body, secret) for secret in secrets):
        return UNSIGNED
    if not _is_json(headers.get("content-type", "")):
        return NO_JSON
    if not DELIVERY.fullmatch(headers.get("x-github-delivery", "")) or not EVENT.fullmatch(
        headers.get("x-github-event", "")
    ):
        return NO_DELIVERY
    return None


def _is_signed(signature: bytes, body: bytes, secret: bytes) -> bool:
    expected = "sha256=" + hmac.digest(secret, body, "sha256").hex()
    return bool(secret) and hmac.compare_digest(expected.encode(), signature)


def _is_json(content_type: str) -> bool:
    """Say whether a body may be JSON; a sender that does not say what it sends is believed."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in ("", "application/json")


def _group(head: Head) -> str:
    """Name the narrowest thing that a payload is about: issue or pull request, else repository, else installation."""
    number = head.issue or head.pull
    if head.repository and number:
        return group_of(head.repository, number)
    if head.repository:
        return f"repository:{head.repository}/events"
    return f"installation:{head.installation or 0}/events"


def _about(head: Head) -> dict[str, str]:
    """Name the issue or pull request as the rest of the log does: by its repository's name, not by ids."""
    for what, number in (("task", head.issue), ("pull", head.pull)):
        if head.full_name and number:
            return {what: f"{head.full_name}#{number}"}
    return {}
