"""The webhook's plain core: verify, group, enqueue, and only then answer. No thin adapter decides anything."""

import hmac
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from app.domain.envelope import Envelope, Source
from app.domain.names import group_of
from app.log import log
from app.ports import Clock, EventQueue

LARGEST = 25 * 1024 * 1024
"""Bytes; GitHub sends no larger payload."""


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
        """Answer a delivery: 202 only after it lies in the queue. Header names are in lower case."""
        if len(body) > LARGEST:
            return Answer(413, f"more than {LARGEST} bytes")
        if not self._is_signed(headers.get("x-hub-signature-256", ""), body):
            return Answer(401, "the signature is missing or wrong: is the webhook secret the same on both sides?")
        delivery, event = headers.get("x-github-delivery"), headers.get("x-github-event")
        if not delivery or not event:
            return Answer(400, "X-GitHub-Delivery or X-GitHub-Event is missing")
        if event == "ping":
            return Answer(200, "pong")
        group = _group(body)
        if group is None:
            return Answer(400, "the body is not a JSON object")
        return await self._enqueue(delivery, event, group, body)

    async def _enqueue(self, delivery: str, event: str, group: str, body: bytes) -> Answer:
        envelope = Envelope(
            id=delivery,
            group=group,
            source=Source.GITHUB,
            name=event,
            body=zlib.compress(body, 1),
            received_at=self.clock.now(),
        )
        try:
            taken = await self.events.send(envelope)
        except Exception as error:  # whatever keeps the queue from taking it, GitHub must be able to send it again
            log().error("delivery not enqueued", delivery=delivery, error=str(error))
            return Answer(503, "the queue does not take deliveries now")
        log().info("delivery taken", delivery=delivery, name=event, group=group, new=taken)
        return Answer(202, "taken" if taken else "taken before")

    def _is_signed(self, signature: str, body: bytes) -> bool:
        expected = "sha256=" + hmac.new(self.secret, body, sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), signature.encode())


def _group(body: bytes) -> str | None:
    """Read the group out of a payload: the issue or pull request it is about, else repository, else installation."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(payload, dict):
        return None
    repository = _id(payload, "repository", "id")
    number = _id(payload, "issue", "number") or _id(payload, "pull_request", "number")
    if repository and number:
        return group_of(repository, number)
    if repository:
        return f"repository:{repository}/events"
    return f"installation:{_id(payload, 'installation', 'id') or 0}/events"


def _id(payload: Mapping[str, Any], thing: str, field: str) -> int | None:
    value = payload.get(thing)
    found = value.get(field) if isinstance(value, dict) else None
    return found if isinstance(found, int) else None
