"""The App was installed, or given more repositories."""

from app.domain.effects import CreateLabels, Decision
from app.domain.events import RepositoriesAdded
from app.domain.snapshot import Handler, Snapshot


def repositories_added(event: RepositoriesAdded, snapshot: Snapshot) -> Decision:
    """Create Orch's labels in each repository."""
    effects = tuple(CreateLabels(repository=repository) for repository in event.repositories)
    return Decision(f"installed on {len(effects)} repositories", effects=effects)


HANDLERS = (Handler(RepositoriesAdded, frozenset(), repositories_added),)
