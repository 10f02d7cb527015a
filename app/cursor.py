"""Up to when the App's delivery log was looked at, kept in the store."""

from datetime import datetime

from app.ports import Conflict, Store

PARTITION = "app"
KEY = "deliveries"


class Cursor:
    """One moment; whoever writes last counts, for at worst a look is repeated."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(self) -> datetime | None:
        """Return the moment, None if there was no look yet (or the store was deleted)."""
        document = await self._store.get(PARTITION, KEY)
        return datetime.fromisoformat(document.body["until"]) if document else None

    async def write(self, until: datetime) -> None:
        """Keep the moment."""
        document = await self._store.get(PARTITION, KEY)
        version = document.version if document else 0
        try:
            await self._store.commit(PARTITION, {KEY: {"until": until.isoformat()}}, expected={KEY: version})
        except Conflict:
            return
