"""Up to when the App's delivery log was looked at, kept in the store."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from app.ports import Conflict, Store

PARTITION = "app"
KEY = "deliveries"


@dataclass(frozen=True, slots=True)
class Look:
    """A look at the log: `until` is None if there was none yet (or the store was deleted).

    `asked` are the failed attempts, by their ids, that may be found again and that GitHub was asked to repeat.
    """

    until: datetime | None = None
    asked: frozenset[int] = frozenset()


class Cursor:
    """The last look; whoever writes last counts, for at worst a look is repeated."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(self) -> Look:
        """Return the last look."""
        document = await self._store.get(PARTITION, KEY)
        if document is None:
            return Look()
        return Look(datetime.fromisoformat(document.body["until"]), frozenset(document.body.get("asked", ())))

    async def write(self, until: datetime, asked: Iterable[int] = ()) -> None:
        """Keep a look."""
        document = await self._store.get(PARTITION, KEY)
        version = document.version if document else 0
        body = {"until": until.isoformat(), "asked": sorted(asked)}
        try:
            await self._store.commit(PARTITION, {KEY: body}, expected={KEY: version})
        except Conflict:
            return
