"""Whose turn it is to do what is done every so often, where several processes could: the store remembers the last."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.ports import Clock, Conflict, Store

PARTITION = "app"
EARLY = 0.9
"""The part of the time after which it may be done again: who comes every so often must not come just too early."""


@dataclass(frozen=True, slots=True)
class Turns:
    """Turns in one store."""

    store: Store
    clock: Clock

    async def last(self, name: str) -> datetime | None:
        """Return when it was taken last, None if never."""
        found = await self.store.get(PARTITION, _key(name))
        return datetime.fromisoformat(found.body["at"]) if found else None

    async def take(self, name: str, every: float) -> bool:
        """Take the turn if it was taken by nobody for `every` seconds; of those who try at once, one gets it."""
        key, now = _key(name), self.clock.now()
        last = await self.store.get(PARTITION, key)
        if last and now < datetime.fromisoformat(last.body["at"]) + timedelta(seconds=every * EARLY):
            return False
        try:
            body = {"at": now.isoformat()}
            await self.store.commit(PARTITION, {key: body}, expected={key: last.version if last else 0})
        except Conflict:
            return False
        return True


def _key(name: str) -> str:
    return f"turn/{name}"
