"""What a command chose for a task, above its labels and the repository's configuration."""

from app.domain.base import Value


class Choice(Value):
    """The agent and the model that a person named; None: he named none."""

    agent: str | None = None
    model: str | None = None
