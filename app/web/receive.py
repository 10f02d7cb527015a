"""The webhook's plain core: verify, group, enqueue, and only then answer. No thin adapter decides anything."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from isal import isal_zlib

from app.domain.envelope import Envelope, Source
from app.domain.names import group_of
from app.github.payloads import is_read
from app.log import log
from app.ports import Clock, EventQueue
from app.web.head import Head, Thing, read_head

LARGEST = 25 * 1024 * 1024
"""Bytes; GitHub sends no larger payload."""
DELIVERY = re.compile(r"[A-Za-z0-9._:-]{1,128}")
EVENT = re.compile(r"[a-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and one word or sentence for the delivery log."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """Takes deliveries. `secret` signs them and is never empty."""

    secret: bytes
    events: EventQueue
    clock: Clock

    async def receive(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer a delivery: 202 only after it lies in the queue, or if it means nothing to Orch.

        Header names are in lower case; `body` is what was signed, decoded from whatever carried it. What no reader is
        there for is not kept: a later version finds what it missed by looking at GitHub.
        """
        refusal = self._refusal(headers, body)
        if refusal is not None:
            return refusal
        delivery, event = headers["x-github-delivery"], headers["x-github-event"]
        if event == "ping":
            return Answer(200, "pong")
        head = read_head(body)
        if head is None:
            return Answer(400, "the body is not a JSON object")
        if not is_read(event, head.action):
            log().debug("delivery ignored", delivery=delivery, name=event)
            return Answer(202, "ignored: this event or action means nothing to Orch")
        return await self._enqueue(delivery, event, head, body)

    def _refusal(self, headers: Mapping[str, str], body: bytes) -> Answer | None:
        """Refuse what is no delivery by its headers; the signature comes first, so that a stranger learns nothing."""
        if len(body) > LARGEST:
            return Answer(413, f"more than {LARGEST} bytes")
        if not self._is_signed(headers.get("x-hub-signature-256", ""), body):
            return Answer(401, "the signature is missing or wrong: is the webhook secret the same on both sides?")
        if not _is_json(headers.get("content-type", "")):
            return Answer(415, "Orch reads JSON: set the webhook's content type to application/json")
        delivery, event = headers.get("x-github-delivery", ""), headers.get("x-github-event", "")
        if not DELIVERY.fullmatch(delivery) or not EVENT.fullmatch(event):
            return Answer(400, "X-GitHub-Delivery or X-GitHub-Event is missing or malformed")
        return None

    async def _enqueue(self, delivery: str, event: str, head: Head, body: bytes) -> Answer:
        envelope = Envelope(
            id=delivery,
            group=_group(head),
            source=Source.GITHUB,
            name=event,
            body=isal_zlib.compress(body, 1),
            received_at=self.clock.now(),
        )
        try:
            taken = await self.events.send(envelope)
        except Exception as error:  # whatever keeps the queue from taking it, GitHub must be able to send it again
            log().error("delivery not enqueued", delivery=delivery, error=str(error), **_names(head))
            return Answer(503, "the queue does not take deliveries now")
        log().debug("delivery taken", delivery=delivery, name=event, group=envelope.group, new=taken, **_names(head))
        return Answer(202, "taken" if taken else "taken before")

    def _is_signed(self, signature: str, body: bytes) -> bool:
        expected = "sha256=" + hmac.digest(self.secret, body, "sha256").hex()
        return hmac.compare_digest(expected.encode(), signature.encode())


def _is_json(content_type: str) -> bool:
    """Say whether a body may be JSON; a sender that does not say what it sends is believed."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in ("", "application/json")


def _group(head: Head) -> str:
    """Name the narrowest thing that a payload is about: issue or pull request, else repository, else installation."""
    repository = head.repository.id if head.repository else None
    number = _number(head.task) or _number(head.pull_request)
    if repository and number:
        return group_of(repository, number)
    if repository:
        return f"repository:{repository}/events"
    return f"installation:{(head.installation and head.installation.id) or 0}/events"


def _names(head: Head) -> dict[str, str]:
    """Name the issue or pull request as the rest of the log does: by its repository's name, not by ids."""
    name = head.repository.full_name if head.repository else None
    for what, thing in (("task", head.task), ("pull", head.pull_request)):
        if name and (number := _number(thing)):
            return {what: f"{name}#{number}"}
    return {}


def _number(thing: Thing | None) -> int | None:
    return thing.number if thing else None
