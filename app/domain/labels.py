"""Labels: what Orch calls them, and which to add and take off."""

from app.domain.base import Value
from app.domain.task import Status

STATUS_PREFIX = "status:"
AUTOMERGE = "automerge"


class Label(Value):
    """A repository label. `color` is six hexadecimal digits without `#`; a description has at most 100 characters."""

    name: str
    color: str
    description: str


STATUS_LABELS = (
    Label(name="status:new", color="ededed", description="Orch took it on and has not chosen an agent yet"),
    Label(name="status:routed", color="c5def5", description="Orch chose an agent; the task waits for a runner"),
    Label(name="status:in_progress", color="1d76db", description="An agent is at work"),
    Label(name="status:in_review", color="fbca04", description="A pull request is open and waits for review"),
    Label(name="status:needs_review", color="d93f0b", description="A person must act; the living comment says how"),
    Label(name="status:blocked", color="b60205", description="Waits for other tasks"),
    Label(name="status:paused", color="bfd4f2", description="Stopped by a person"),
    Label(name="status:done", color="0e8a16", description="Merged or answered"),
    Label(name="status:cancelled", color="ffffff", description="Not wanted any more"),
)


def status_label(status: Status) -> str:
    """Name the label of a status."""
    return STATUS_PREFIX + status.value


def repository_labels(trigger: str) -> tuple[Label, ...]:
    """List the labels Orch creates in a repository it is installed on."""
    merge = Label(name=AUTOMERGE, color="0e8a16", description="Orch merges it once it is approved and green")
    return (Label(name=trigger, color="5319e7", description="Orch works on this issue"), *STATUS_LABELS, merge)


def statuses_on(labels: frozenset[str]) -> tuple[Status, ...]:
    """List the statuses whose labels are on an issue."""
    lowered = {label.lower() for label in labels}
    return tuple(status for status in Status if status_label(status) in lowered)


def is_same_label(one: str, other: str) -> bool:
    """Compare names as GitHub does, for which `Orch` and `orch` are one label."""
    return one.lower() == other.lower()
