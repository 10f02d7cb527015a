"""Installations, and the list of handlers."""

import pytest

from app.domain.effects import CheckRepositories, CreateLabels, Decision, ListRepositories, Send
from app.domain.events import (
    ConfigWanted,
    Event,
    Ignored,
    InstallationCutOff,
    InstallationRestored,
    RepositoriesAdded,
    RepositoriesRemoved,
    WorkCutOff,
)
from app.domain.facts import CutOff
from handlers.installations import (
    AT_ONCE,
    LOOKED_AT,
    MOST_PARTS,
    installation_cut_off,
    installation_restored,
    repositories_added,
    repositories_removed,
)
from handlers.registry import HANDLERS
from tests.unit import build


def added(count: int) -> RepositoriesAdded:
    repositories = tuple(build.repository(number, name=f"project-{number}") for number in range(1, count + 1))
    return RepositoriesAdded(installation_id=5, repositories=repositories)


@pytest.mark.parametrize("count", [0, 1, AT_ONCE])
def test_labels_are_created_in_each_repository(count: int) -> None:
    event = added(count)
    labels = tuple(CreateLabels(repository=repository) for repository in event.repositories)
    reads = tuple(Send(event=ConfigWanted(repository=repository)) for repository in event.repositories)
    decision = repositories_added(event, build.snapshot())
    assert decision == Decision(f"installed on {count} repositories", effects=(*labels, *reads))


def test_what_was_missed_is_looked_for_where_orch_is_new_or_back_a_few_at_a_time() -> None:
    event = added(2 * LOOKED_AT + 1).model_copy(update={"check": True})
    looks = [one for one in repositories_added(event, build.snapshot()).effects if isinstance(one, CheckRepositories)]
    assert [len(look.repository_ids) for look in looks] == [LOOKED_AT, LOOKED_AT, 1]
    assert [number for look in looks for number in look.repository_ids] == list(range(1, 2 * LOOKED_AT + 2))


def test_the_work_stops_in_repositories_that_orch_was_taken_off() -> None:
    event = RepositoriesRemoved(installation_id=5, repository_ids=(1, 2))
    stop = WorkCutOff(because=CutOff.REMOVED, installation_id=5, repository_ids=(1, 2))
    decision = repositories_removed(event, build.snapshot())
    assert decision == Decision("removed from 2 repositories", effects=(Send(event=stop),))


@pytest.mark.parametrize("because", [CutOff.SUSPENDED, CutOff.REMOVED])
def test_the_work_stops_in_all_of_an_installation(because: CutOff) -> None:
    stop = WorkCutOff(because=because, installation_id=5, repository_ids=None)
    decision = installation_cut_off(InstallationCutOff(installation_id=5, because=because), build.snapshot())
    assert decision == Decision(f"the installation was {because.value}", effects=(Send(event=stop),))


def test_an_installation_that_is_back_is_looked_at() -> None:
    decision = installation_restored(InstallationRestored(installation_id=5), build.snapshot())
    listed = ListRepositories(installation_id=5)
    assert decision == Decision("the installation is suspended no more", effects=(listed,))


@pytest.mark.parametrize(("count", "parts"), [(AT_ONCE + 1, 2), (AT_ONCE * MOST_PARTS, MOST_PARTS), (9999, MOST_PARTS)])
def test_many_repositories_are_done_in_parts_of_which_none_is_lost(count: int, parts: int) -> None:
    event = added(count)
    decision = repositories_added(event, build.snapshot())
    sent = [effect.event for effect in decision.effects if isinstance(effect, Send)]
    shares = [part.repositories for part in sent if isinstance(part, RepositoriesAdded)]
    assert decision.why == f"installed on {count} repositories, done in {parts} parts"
    assert len(shares) == len(sent) == len(decision.effects) == parts
    assert tuple(repository for share in shares for repository in share) == event.repositories


def test_i12_parts_are_divided_until_they_are_small() -> None:
    event, rounds = added(9999), 0
    while len(event.repositories) > AT_ONCE:
        (first, *_) = repositories_added(event, build.snapshot()).effects
        assert isinstance(first, Send)
        assert isinstance(first.event, RepositoriesAdded)
        event, rounds = first.event, rounds + 1
    assert rounds == 2


def test_every_event_but_what_is_ignored_has_a_handler() -> None:
    assert set(HANDLERS) == set(Event.__args__) - {Ignored}


def test_each_handler_is_listed_under_its_event() -> None:
    assert {event: handler.event for event, handler in HANDLERS.items()} == {event: event for event in HANDLERS}
