"""A clock that several processes share: it goes as the machine's does, and leaps ahead when it is told to."""

import asyncio
import mmap
import struct
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LOOK_SECONDS = 0.05
"""How late a sleeper may notice a leap."""
_AHEAD = struct.Struct("d")


class LeapingClock:
    """Implement `app.ports.Clock`; how far it is ahead of the machine's clock stands in a file."""

    def __init__(self, place: Path) -> None:
        with place.open("a+b") as file:
            file.truncate(_AHEAD.size)
            self._shared = mmap.mmap(file.fileno(), _AHEAD.size)

    def timestamp(self) -> float:
        (ahead,) = _AHEAD.unpack_from(self._shared)
        return time.time() + float(ahead)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.timestamp(), UTC)

    async def sleep(self, seconds: float) -> None:
        until = self.timestamp() + seconds
        while (left := until - self.timestamp()) > 0:  # noqa: ASYNC110 - another process sets the clock
            await asyncio.sleep(min(left, LOOK_SECONDS))
        if seconds <= 0:
            await asyncio.sleep(0)

    def leap(self, seconds: float) -> None:
        """Let so much time be over at once."""
        (ahead,) = _AHEAD.unpack_from(self._shared)
        _AHEAD.pack_into(self._shared, 0, ahead + seconds)

    def wrap(self, name: str, part: Any) -> Any:
        """Put it in the place of a process's own clock."""
        return self if name == "clock" else part
