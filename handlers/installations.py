"""The App was installed, given more repositories or fewer, suspended or uninstalled."""

from app.domain.effects import CheckRepositories, CreateLabels, Decision, ListRepositories, Send
from app.domain.events import (
    ConfigWanted,
    InstallationCutOff,
    InstallationRestored,
    RepositoriesAdded,
    RepositoriesRemoved,
    WorkCutOff,
)
from app.domain.facts import CutOff
from app.domain.snapshot import Handler, Snapshot

AT_ONCE = 45
LOOKED_AT = 10
MOST_ONBOARDED = 20
"""Repositories that are shown what can be configured, each by a pull request; nobody wants more of those at once."""
MOST_PARTS = 90
"""A decision is one write to the store, which takes at most 100 keys."""


def repositories_added(event: RepositoriesAdded, snapshot: Snapshot) -> Decision:
    """Create Orch's labels in each repository and read its configuration; many are done a part at a time."""
    count = len(event.repositories)
    if count <= AT_ONCE:
        labels = tuple(CreateLabels(repository=repository) for repository in event.repositories)
        new = event.new and count <= MOST_ONBOARDED
        reads = tuple(Send(event=ConfigWanted(repository=repository, new=new)) for repository in event.repositories)
        return Decision(f"installed on {count} repositories", effects=(*labels, *reads, *_checks(event)))
    size = max(AT_ONCE, -(-count // MOST_PARTS))
    parts = [event.repositories[start : start + size] for start in range(0, count, size)]
    sends = tuple(Send(event=event.model_copy(update={"repositories": part, "new": False})) for part in parts)
    return Decision(f"installed on {count} repositories, done in {len(parts)} parts", effects=sends)


def _checks(event: RepositoriesAdded) -> tuple[CheckRepositories, ...]:
    """Look a few at a time, so that each look fits into the time that handling an event may take."""
    ids = [repository.id for repository in event.repositories] if event.check else []
    return tuple(
        CheckRepositories(repository_ids=tuple(ids[start : start + LOOKED_AT]))
        for start in range(0, len(ids), LOOKED_AT)
    )


def repositories_removed(event: RepositoriesRemoved, snapshot: Snapshot) -> Decision:
    """Stop what runs or waits in repositories that Orch was taken off."""
    stop = WorkCutOff(
        because=CutOff.REMOVED, installation_id=event.installation_id, repository_ids=event.repository_ids
    )
    return Decision(f"removed from {len(event.repository_ids)} repositories", effects=(Send(event=stop),))


def installation_cut_off(event: InstallationCutOff, snapshot: Snapshot) -> Decision:
    """Stop what runs or waits in all of the installation."""
    stop = WorkCutOff(because=event.because, installation_id=event.installation_id, repository_ids=None)
    return Decision(f"the installation was {event.because.value}", effects=(Send(event=stop),))


def installation_restored(event: InstallationRestored, snapshot: Snapshot) -> Decision:
    """Look at all of the installation: what was missed, and what was stopped."""
    listed = ListRepositories(installation_id=event.installation_id)
    return Decision("the installation is suspended no more", effects=(listed,))


HANDLERS = (
    Handler(RepositoriesAdded, frozenset(), repositories_added),
    Handler(RepositoriesRemoved, frozenset(), repositories_removed),
    Handler(InstallationCutOff, frozenset(), installation_cut_off),
    Handler(InstallationRestored, frozenset(), installation_restored),
)
