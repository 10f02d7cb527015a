"""Labels: what Orch calls them, and which to add and take off."""

from collections.abc import Iterable

from app.domain.base import Value
from app.domain.task import Status

STATUS_PREFIX = "status:"
COMPLEXITY_PREFIX, ROLE_PREFIX, PRIORITY_PREFIX = "complexity:", "role:", "priority:"
LOCK_PREFIX = "lock:"
"""What follows is a path that the task is expected to touch."""
AUTOMERGE = "automerge"
PLAN_LABEL = "plan"


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

ROUTE_LABELS = (
    Label(name="complexity:simple", color="bfe5bf", description="Little is asked of the agent"),
    Label(name="complexity:medium", color="fef2c0", description="Something is asked of the agent"),
    Label(name="complexity:complex", color="f9d0c4", description="Much is asked of the agent"),
    Label(name="priority:high", color="e99695", description="Goes before what waits in this repository"),
    Label(name="priority:low", color="c2e0c6", description="Waits for what else there is in this repository"),
)
"""What may be put on an issue before the trigger, and counts when that is put on."""


def status_label(status: Status) -> str:
    """Name the label of a status."""
    return STATUS_PREFIX + status.value


def repository_labels(trigger: str, roles: Iterable[str] = ()) -> tuple[Label, ...]:
    """List the labels Orch creates in a repository it is installed on."""
    merge = Label(name=AUTOMERGE, color="0e8a16", description="Orch merges it once it is approved and green")
    return (
        Label(name=trigger, color="5319e7", description="Orch works on this issue"),
        Label(name=PLAN_LABEL, color="7057ff", description="Orch plans this issue as sub-issues"),
        *STATUS_LABELS,
        *ROUTE_LABELS,
        *_role_labels(roles),
        merge,
    )


def _role_labels(roles: Iterable[str]) -> tuple[Label, ...]:
    return tuple(
        Label(name=f"{ROLE_PREFIX}{name}", color="d4c5f9", description=f"The agent works in the role {name}")
        for name in roles
    )


def statuses_on(labels: frozenset[str]) -> tuple[Status, ...]:
    """List the statuses whose labels are on an issue."""
    lowered = {label.lower() for label in labels}
    return tuple(status for status in Status if status_label(status) in lowered)


def is_same_label(one: str, other: str) -> bool:
    """Compare names as GitHub does, for which `Orch` and `orch` are one label."""
    return one.lower() == other.lower()
