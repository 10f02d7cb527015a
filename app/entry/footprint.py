"""How much memory this process and all that it started take together."""

import asyncio
import os
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

EVERY = 0.2


class Footprint:
    """The most that was seen, in bytes: proportional set sizes, so that shared pages count once."""

    def __init__(self) -> None:
        self.most = 0

    async def during(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work, and look from time to time."""
        watching = asyncio.create_task(self._watch(), name="footprint")
        try:
            await work
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        while True:
            self.most = max(self.most, sum(_size(pid) for pid in await asyncio.to_thread(family, os.getpid())))
            await asyncio.sleep(EVERY)


def family(pid: int) -> list[int]:
    """List a process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def _size(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return 0
