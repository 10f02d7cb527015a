"""How fast we may write: GitHub's limits on creating content, kept per credential.

80 content-creating requests a minute and 500 an hour, one write at a time, and silence after a rate-limit answer:
https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from app.domain.errors import Retryable
from app.ports import Clock

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SHORT = 2.0
"""Seconds for which a request waits here: coming back for each one would take longer."""


class Pace(Enum):
    """What a request counts as."""

    READ = auto()
    WRITE = auto()
    CREATE = auto()


@dataclass(frozen=True, slots=True)
class Ledger:
    """What was sent with one credential, as far as it limits what may be sent next."""

    created: tuple[datetime, ...] = ()
    wrote_at: datetime | None = None
    quiet_until: datetime | None = None

    def silence(self, now: datetime) -> float:
        """Return the seconds for which nothing at all may be sent."""
        return _until(self.quiet_until, now)

    def pause(self, now: datetime, gap: float) -> float:
        """Return the seconds that are left of the gap after the last write."""
        return 0.0 if self.wrote_at is None else _until(self.wrote_at + timedelta(seconds=gap), now)

    def full(self, now: datetime, per_minute: int, per_hour: int) -> float:
        """Return the seconds until one more thing may be created."""
        return max(self._window(now, MINUTE, per_minute), self._window(now, HOUR, per_hour))

    def create(self, now: datetime) -> "Ledger":
        """Count one thing created, and forget what no window holds any more."""
        return replace(self, created=(*(at for at in self.created if at > now - HOUR), now))

    def quiet(self, until: datetime) -> "Ledger":
        """Send nothing before `until`; a longer silence stays."""
        return self if self.quiet_until and self.quiet_until > until else replace(self, quiet_until=until)

    def _window(self, now: datetime, length: timedelta, limit: int) -> float:
        inside = [at for at in self.created if at > now - length]
        return 0.0 if len(inside) < limit else _until(inside[-limit] + length, now)


class Pacing:
    """Let requests through at the speed GitHub allows.

    Everything to remember is in one Ledger per key, a value that a store could hold as well.
    """

    def __init__(self, clock: Clock, write_gap: float = 0.0, per_minute: int = 80, per_hour: int = 500) -> None:
        self._clock = clock
        self._gap = write_gap
        self._per_minute = per_minute
        self._per_hour = per_hour
        self._ledgers: defaultdict[str, Ledger] = defaultdict(Ledger)
        self._writing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def check(self, key: str) -> None:
        """Raise Retryable while GitHub wants silence from `key`."""
        if delay := self._ledgers[key].silence(self._clock.now()):
            raise Retryable(f"GitHub asked {key} to wait", math.ceil(delay))

    async def silence(self, key: str, seconds: float) -> None:
        """Refuse every request of `key` for `seconds`."""
        self._ledgers[key] = self._ledgers[key].quiet(self._clock.now() + timedelta(seconds=seconds))

    @asynccontextmanager
    async def turn(self, key: str, pace: Pace) -> AsyncIterator[None]:
        """Hold the turn of a request: writes of a key follow one another, reads pass.

        Raises Retryable for a write during a silence, and when as much was created as the limits allow and that does
        not change at once.
        """
        if pace is Pace.READ:
            yield
            return
        async with self._writing[key]:
            await self._admit(key, pace)
            try:
                yield
            finally:
                self._note(key, pace)

    async def _admit(self, key: str, pace: Pace) -> None:
        await self.check(key)
        if pause := self._ledgers[key].pause(self._clock.now(), self._gap):
            await self._clock.sleep(pause)
        if pace is Pace.CREATE:
            await self._require_room(key)

    async def _require_room(self, key: str) -> None:
        delay = self._full(key)
        if 0 < delay <= SHORT:
            await self._clock.sleep(delay)
            await self.check(key)
            delay = self._full(key)
        if delay:
            raise Retryable(f"{key} has created as much as GitHub allows for now", delay)

    def _note(self, key: str, pace: Pace) -> None:
        """Count a write as of its end: when GitHub counted it is not known, but that was before."""
        now = self._clock.now()
        ledger = self._ledgers[key].create(now) if pace is Pace.CREATE else self._ledgers[key]
        self._ledgers[key] = replace(ledger, wrote_at=now)

    def _full(self, key: str) -> float:
        return self._ledgers[key].full(self._clock.now(), self._per_minute, self._per_hour)


def _until(then: datetime | None, now: datetime) -> float:
    return 0.0 if then is None else max(0.0, (then - now).total_seconds())
