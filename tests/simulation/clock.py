"""Time that passes only when the simulation lets it."""

from datetime import UTC, datetime, timedelta

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class SimulatedClock:
    """Implement `app.ports.Clock`: whoever sleeps is alone, so that time passes at once."""

    def __init__(self) -> None:
        self._now = BEGINNING

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)

    def reach(self, moment: float) -> None:
        """Go on to a moment (Unix time), or stay if it is past; a clock counts whole microseconds."""
        self._now = max(self._now, datetime.fromtimestamp(moment, UTC) + timedelta(microseconds=1))
