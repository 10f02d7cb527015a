"""Deliveries taken by a server: verify, group, enqueue, and only then answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from isal import isal_zlib

from app.domain.envelope import Envelope, Source
from app.log import log
from app.metrics import WEBHOOK_SECONDS
from app.ports import Clock, EventQueue
from app.telemetry import span
from app.web.deliveries import IGNORED, NOT_TAKEN, TAKEN, TAKEN_BEFORE, UNSIGNED, Answer, Delivery, judge
from app.web.quick_head import read_head_quickly


class Secrets(Protocol):
    """What deliveries are signed with."""

    @property
    def known(self) -> Sequence[bytes]:
        """Return the secrets that count, none of them empty: several while one replaces the other."""
        ...

    async def renew(self) -> bool:
        """Look for newer ones, if it was not done just now; say whether there are any."""
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """Secrets that stay as they were given."""

    known: tuple[bytes, ...]

    async def renew(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Receiver:
    """Takes deliveries."""

    secrets: Secrets
    events: EventQueue
    clock: Clock

    async def receive(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer a delivery, as `judge` says: 202 only after it lies in the queue, or if it means nothing to Orch."""
        begin = perf_counter()
        answer = await self._answer(headers, body)
        WEBHOOK_SECONDS.record(perf_counter() - begin, status=str(answer.status))
        return answer

    async def _answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        found = judge(headers, body, self.secrets.known, read_head_quickly)
        if found is UNSIGNED and await self.secrets.renew():
            found = judge(headers, body, self.secrets.known, read_head_quickly)
        if isinstance(found, Delivery):
            with span("webhook", delivery=found.id, event=found.name, action=found.action or ""):
                return await self._enqueue(found, body)
        if found is IGNORED:
            log().debug("delivery ignored", delivery=headers["x-github-delivery"], name=headers["x-github-event"])
        return found

    async def _enqueue(self, delivery: Delivery, body: bytes) -> Answer:
        envelope = Envelope(
            id=delivery.id,
            group=delivery.group,
            source=Source.GITHUB,
            name=delivery.name,
            body=isal_zlib.compress(body, 1),
            received_at=self.clock.now(),
        )
        try:
            new = await self.events.send(envelope)
        except Exception as error:  # whatever keeps the queue from taking it, GitHub must be able to send it again
            log().error("delivery not enqueued", delivery=delivery.id, error=str(error), **delivery.about)
            return NOT_TAKEN
        facts = {"delivery": delivery.id, "name": delivery.name, "group": delivery.group, **delivery.about}
        log().debug("delivery taken", new=new, **facts)
        return TAKEN if new else TAKEN_BEFORE
