"""Marks in S3: which jobs are on the queue. SQS itself cannot be asked."""

from contextlib import suppress
from secrets import token_hex

from app.domain.errors import Permanent, Retryable
from app.ports import Clock
from infra.aws.clients import Clients
from infra.aws.objects import Objects, name_in_key

REFRESH = 600.0
GONE_AFTER = 3600.0
"""Seconds without a refresh after which a mark counts for nothing: its job may have been lost."""
SENDING, SENT = "sending", "sent"


class Marks:
    """A mark says of a job that it is being sent, or when it was sent or seen last.

    It errs on the side of a job that is there twice, and never of one that is lost: what is only being sent is sent
    again, for its sender may be dead; and "sent" never overwrites that a quick runner has taken the mark off already.
    """

    def __init__(self, clients: Clients, bucket: str, clock: Clock) -> None:
        self._objects, self._clock = Objects(clients, bucket), clock

    async def stands(self, job_id: str) -> bool:
        """Tell whether the job was sent, and is not known to be gone."""
        data = await self._objects.get(_key(job_id))
        state, _, at = (data or b"").decode().partition(" ")
        return state == SENT and float(at) + GONE_AFTER > self._now()

    async def announce(self, job_id: str) -> str:
        """Note that the job is about to be sent; return what `confirm` needs."""
        return await self._objects.put(_key(job_id), f"{SENDING} {token_hex(8)}".encode())

    async def confirm(self, job_id: str, announced: str) -> None:
        """Note that the job was sent, unless it is gone already; without effect where S3 fails."""
        with suppress(Retryable, Permanent):
            await self._objects.replace(_key(job_id), self._sent(), announced)

    async def refresh(self, job_id: str) -> bool:
        """Note that the job, which somebody holds, is there; False where S3 fails."""
        try:
            await self._objects.put(_key(job_id), self._sent())
        except (Retryable, Permanent):
            return False
        return True

    async def remove(self, job_id: str) -> None:
        """Note that the job goes."""
        await self._objects.delete(_key(job_id))

    def _sent(self) -> bytes:
        return f"{SENT} {self._now()}".encode()

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _key(job_id: str) -> str:
    return f"jobs/{name_in_key(job_id)}"
