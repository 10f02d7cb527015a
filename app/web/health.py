"""Whether Orch can do its work: what it needs is looked at, seldom, and named when it is not there."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.errors import Missing, Retryable, Unauthorized
from app.log import log
from app.ports import Clock

PATIENCE = 5.0
OK = "ok"


@dataclass(slots=True)
class Probe:
    """One thing that Orch needs; `check` raises when it cannot be used.

    It is looked at no more than once in `seconds`, however often people ask: the last result holds in between.
    """

    check: Callable[[], Awaitable[object]]
    clock: Clock
    seconds: float
    _found: str = OK
    _until: datetime | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def look(self, name: str) -> str:
        """Look at it, by this name in the log, and return `ok`, or what is wrong in words that anybody may read."""
        async with self._turn:
            if self._until is None or self.clock.now() >= self._until:
                self._note(await self._ask(name))
        return self._found

    def passed(self) -> None:
        """Take it for usable: somebody else has just seen that."""
        self._note(OK)

    async def _ask(self, name: str) -> str:
        try:
            async with asyncio.timeout(PATIENCE):
                await self.check()
        except Exception as error:  # whatever it is, it is this thing that cannot be used now
            log().warning("not ready", part=name, reason=f"{type(error).__name__}: {error}")
            return _words(error)
        return OK

    def _note(self, found: str) -> None:
        self._found, self._until = found, self.clock.now() + timedelta(seconds=self.seconds)


@dataclass(slots=True)
class Health:
    """Says what is ready."""

    probes: Mapping[str, Probe]
    started: bool = False

    def begin(self) -> None:
        """Say that Orch has looked for what it missed and works, for which it needed everything."""
        self.started = True
        for probe in self.probes.values():
            probe.passed()

    async def __call__(self) -> dict[str, str]:
        """Name each thing with `ok` or what is wrong with it."""
        found = await asyncio.gather(*(probe.look(name) for name, probe in self.probes.items()))
        start = OK if self.started else "still looking for what was missed; deliveries are taken and wait"
        return {"start": start, **dict(zip(self.probes, found, strict=True))}


def _words(error: Exception) -> str:
    """Say no more than the kind of the error: its text is for the log, this is for whoever asks."""
    match error:
        case Unauthorized():
            return "does not take the App's key; see ORCH_APP_ID and ORCH_PRIVATE_KEY"
        case Missing():
            return "does not know the App; see ORCH_APP_ID and ORCH_GITHUB_API_URL"
        case Retryable() | TimeoutError():
            return "cannot be reached or used for now; the log says why"
        case _:
            return "cannot be used; the log says why"
