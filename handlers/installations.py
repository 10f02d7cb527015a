"""The App was installed, or given more repositories."""

from app.domain.effects import CreateLabels, Decision, Send
from app.domain.events import ConfigWanted, RepositoriesAdded
from app.domain.snapshot import Handler, Snapshot

AT_ONCE = 45
MOST_PARTS = 90
"""A decision is one write to the store, which takes at most 100 keys."""


def repositories_added(event: RepositoriesAdded, snapshot: Snapshot) -> Decision:
    """Create Orch's labels in each repository and read its configuration; many are done a part at a time."""
    count = len(event.repositories)
    if count <= AT_ONCE:
        labels = tuple(CreateLabels(repository=repository) for repository in event.repositories)
        reads = tuple(Send(event=ConfigWanted(repository=repository)) for repository in event.repositories)
        return Decision(f"installed on {count} repositories", effects=(*labels, *reads))
    size = max(AT_ONCE, -(-count // MOST_PARTS))
    parts = [event.repositories[start : start + size] for start in range(0, count, size)]
    sends = tuple(Send(event=event.model_copy(update={"repositories": part})) for part in parts)
    return Decision(f"installed on {count} repositories, done in {len(parts)} parts", effects=sends)


HANDLERS = (Handler(RepositoriesAdded, frozenset(), repositories_added),)
