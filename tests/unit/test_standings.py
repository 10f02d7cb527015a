"""Who may do what is asked of GitHub, and remembered for five minutes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from app.domain.facts import Permission, Standing
from app.ports import GitHub
from app.standings import SECONDS, Standings
from tests.unit import build
from tests.unit.build import NOW, STRANGER, WRITER
from tests.unit.ports import FakeGitHub

HERE, THERE = build.repository(1), build.repository(2)


@dataclass
class MovingClock:
    """Time that a test moves."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here sleeps")


async def test_somebody_is_asked_for_once_in_five_minutes() -> None:
    clock, github = MovingClock(), FakeGitHub(permissions={"writer": Permission.WRITE})
    standings = Standings(cast(GitHub, github), clock)
    assert await standings.of(HERE, WRITER) == build.standing(Permission.WRITE)
    github.permissions = {"writer": Permission.READ}
    clock.at += timedelta(seconds=SECONDS - 1)
    assert (await standings.of(HERE, WRITER)).permission is Permission.WRITE
    clock.at += timedelta(seconds=1)
    assert (await standings.of(HERE, WRITER)).permission is Permission.READ
    assert github.asked == ["standing", "standing"]


async def test_i7_somebody_who_is_gone_may_do_nothing_and_is_not_asked_for_again() -> None:
    github = FakeGitHub()
    standings = Standings(cast(GitHub, github), MovingClock())
    assert [await standings.of(HERE, STRANGER) for _ in range(2)] == [Standing(), Standing()]
    assert github.asked == ["standing"]


async def test_i7_each_person_is_asked_for_in_each_repository() -> None:
    github = FakeGitHub(permissions={"writer": Permission.WRITE, "stranger": Permission.READ})
    standings = Standings(cast(GitHub, github), MovingClock())
    found = [await standings.of(place, who) for place in (HERE, THERE) for who in (WRITER, STRANGER)]
    assert [one.permission for one in found] == [Permission.WRITE, Permission.READ] * 2
    renamed = WRITER.model_copy(update={"id": STRANGER.id})
    assert (await standings.of(HERE, renamed)).permission is Permission.READ
    assert len(github.asked) == 4
