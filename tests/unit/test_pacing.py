"""How long many things take to create: as long as GitHub's limits demand, and no longer."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.errors import Retryable
from app.github.pacing import Pace, Pacing

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "installation:1"


class LeapingClock:
    """A clock that leaps over every wait."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


async def drain(count: int, gap: float) -> list[float]:
    """Create so many things as an outbox does: one by one, and after a refusal when that says; return when."""
    clock, made = LeapingClock(), list[float]()
    pacing = Pacing(clock, gap)
    while len(made) < count:
        try:
            async with pacing.turn(KEY, Pace.CREATE):
                made.append((clock.now() - START).total_seconds())
        except Retryable as refused:
            await clock.sleep(told(refused))
    return made


def told(refused: Retryable) -> float:
    assert refused.delay is not None
    return refused.delay


def soonest(count: int, gap: float) -> list[float]:
    """Say when each may be created at the soonest: 80 in any minute, 500 in any hour, and a gap between two."""
    made: list[float] = []
    for n in range(count):
        after_last = made[-1] + gap if made else 0
        made.append(max(after_last, made[n - 80] + 60 if n >= 80 else 0, made[n - 500] + 3600 if n >= 500 else 0))
    return made


@pytest.mark.parametrize(("count", "gap"), [(100, 0.0), (100, 0.37), (100, 1.0), (520, 1.0)])
async def test_creating_many_things_takes_no_longer_than_the_limits_demand(count: int, gap: float) -> None:
    assert await drain(count, gap) == pytest.approx(soonest(count, gap), abs=0.001)


async def test_a_hundred_things_take_a_minute_where_no_gap_is_kept() -> None:
    made = await drain(100, 0)
    assert (made.count(0), made.count(60)) == (80, 20)


async def test_who_may_create_something_soon_waits_for_that_and_who_may_not_is_told_when() -> None:
    clock = LeapingClock()
    pacing = Pacing(clock, per_minute=2)
    for seconds in (58.5, 0, 0):
        async with pacing.turn(KEY, Pace.CREATE):
            pass
        await clock.sleep(seconds)
    assert (clock.now() - START).total_seconds() == 60
    with pytest.raises(Retryable) as raised:
        async with pacing.turn(KEY, Pace.CREATE):
            pass
    assert told(raised.value) == 58.5


async def test_what_was_created_counts_from_the_answer_on() -> None:
    clock = LeapingClock()
    pacing = Pacing(clock, per_minute=1)
    async with pacing.turn(KEY, Pace.CREATE):
        await clock.sleep(7)
    with pytest.raises(Retryable) as raised:
        async with pacing.turn(KEY, Pace.CREATE):
            pass
    assert told(raised.value) == 60
