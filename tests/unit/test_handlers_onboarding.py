"""Which repositories are shown what can be configured: those where Orch is new and that have no file."""

from dataclasses import replace

import pytest

from app.domain.config import Problem, RepoFile
from app.domain.config_check import FoundFile, Tree, follow
from app.domain.effects import Decision, OpenOnboarding, Send
from app.domain.events import ConfigWanted, RepositoriesAdded
from app.domain.snapshot import Snapshot
from handlers.config import config_wanted
from handlers.installations import AT_ONCE, MOST_ONBOARDED, repositories_added
from tests.unit import build

HERE = build.repository()
NONE = FoundFile(None, Tree({}, {}))
KNOWN = follow(RepoFile(), NONE, build.POLICY.agents)


def seen(found: FoundFile = NONE, known: RepoFile | None = None, *, onboarding: bool = True) -> Snapshot:
    policy = build.POLICY.model_copy(update={"onboarding": onboarding})
    return replace(build.snapshot(policy=policy), file=known, found=found)


def shown(snapshot: Snapshot, *, new: bool = True) -> bool:
    effects = config_wanted(ConfigWanted(repository=HERE, new=new), snapshot).effects
    return OpenOnboarding(repository=HERE) in effects


def asked(count: int) -> list[bool]:
    """Say of each event that follows from an installation whether its repository counts as new."""
    repositories = tuple(build.repository(number) for number in range(1, count + 1))
    event = RepositoriesAdded(installation_id=5, repositories=repositories, new=True)
    sent = [effect.event for effect in repositories_added(event, build.snapshot()).effects if isinstance(effect, Send)]
    return [event.new for event in sent if isinstance(event, ConfigWanted | RepositoriesAdded)]


def test_a_new_repository_without_a_file_is_shown_one() -> None:
    decision = config_wanted(ConfigWanted(repository=HERE, new=True), seen())
    assert decision == Decision("`.orch.yml` was read", KNOWN, (OpenOnboarding(repository=HERE),))


def test_one_that_orch_knew_before_is_shown_it_too() -> None:
    decision = config_wanted(ConfigWanted(repository=HERE, new=True), seen(known=KNOWN))
    assert decision == Decision("there is no `.orch.yml` yet", effects=(OpenOnboarding(repository=HERE),))


@pytest.mark.parametrize(
    "snapshot",
    [
        seen(FoundFile("", Tree({}, {}))),
        seen(FoundFile("", Problem(text="cannot be read"))),
        seen(onboarding=False),
    ],
    ids=["has a file", "has one that cannot be read", "switched off"],
)
def test_no_other_is(snapshot: Snapshot) -> None:
    assert not shown(snapshot)


def test_a_start_of_orch_shows_nothing() -> None:
    assert not shown(seen(), new=False)


def test_i12_many_at_once_are_shown_nothing() -> None:
    assert asked(MOST_ONBOARDED) == [True] * MOST_ONBOARDED
    assert asked(MOST_ONBOARDED + 1) == [False] * (MOST_ONBOARDED + 1)
    assert not any(asked(AT_ONCE + 1))
