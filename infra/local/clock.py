"""The clock of the machine."""

import asyncio
from datetime import UTC, datetime


class SystemClock:
    """Implement `app.ports.Clock` with the machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
