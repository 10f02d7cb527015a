"""Things to do, as values; and the Decision that asks for them."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from app.domain.admission import Board
from app.domain.base import Value
from app.domain.config import RepoFile
from app.domain.events import Event
from app.domain.jobs import Job
from app.domain.names import Repository, TaskRef
from app.domain.record import TaskRecord


class KeepText(Value):
    """Keep the admitted text as an artifact."""

    type: Literal["keep_text"] = "keep_text"
    digest: str
    title: str
    body: str


class Send(Value):
    """Send an event to its group, after `delay` seconds."""

    type: Literal["send"] = "send"
    event: Annotated[Event, Field(discriminator="type")]
    delay: float = 0


class Enqueue(Value):
    """Ask the runners for a job."""

    type: Literal["enqueue"] = "enqueue"
    job: Job


class SetLabels(Value):
    """Make the status label on the issue say what the record says when this is done."""

    type: Literal["set_labels"] = "set_labels"


class UpsertComment(Value):
    """Make the living comment say what the record says when this is done."""

    type: Literal["upsert_comment"] = "upsert_comment"


class AddComment(Value):
    """Post a comment of its own, which notifies people. `key` finds it again, so that it is posted once."""

    type: Literal["add_comment"] = "add_comment"
    task: TaskRef
    key: str
    body: str


class RemoveLabel(Value):
    """Take a label off the issue."""

    type: Literal["remove_label"] = "remove_label"
    task: TaskRef
    label: str


class MoveBranch(Value):
    """Make the task's branch point at a pushed commit: `previous` is where Orch left it, None if it made none."""

    type: Literal["move_branch"] = "move_branch"
    branch: str
    sha: str
    previous: str | None


class OpenPull(Value):
    """Open the task's pull request, or find it."""

    type: Literal["open_pull"] = "open_pull"
    branch: str
    title: str
    body: str


class CloseIssue(Value):
    """Close the issue as completed."""

    type: Literal["close_issue"] = "close_issue"


class DeleteRef(Value):
    """Delete a ref (`refs/...`) that is not needed any more."""

    type: Literal["delete_ref"] = "delete_ref"
    ref: str


class CancelRun(Value):
    """Tell the run to stop at its next beat."""

    type: Literal["cancel_run"] = "cancel_run"
    run_id: str


class CreateLabels(Value):
    """Create Orch's labels in a repository where they are missing; `trigger` is its own one, if it has one."""

    type: Literal["create_labels"] = "create_labels"
    repository: Repository
    trigger: str | None = None


class CheckRepositories(Value):
    """Look in these repositories, as far as Orch can see them, for what was missed."""

    type: Literal["check_repositories"] = "check_repositories"
    repository_ids: tuple[int, ...]


class ListRepositories(Value):
    """Take up all repositories of an installation, as if they had been added."""

    type: Literal["list_repositories"] = "list_repositories"
    installation_id: int


Effect = (
    KeepText
    | Send
    | Enqueue
    | SetLabels
    | UpsertComment
    | AddComment
    | RemoveLabel
    | MoveBranch
    | OpenPull
    | CloseIssue
    | DeleteRef
    | CancelRun
    | CreateLabels
    | CheckRepositories
    | ListRepositories
)

EFFECT: TypeAdapter[Effect] = TypeAdapter(Annotated[Effect, Field(discriminator="type")])


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from an event: the new record (None: unchanged), effects in order, and one sentence why."""

    why: str
    record: TaskRecord | Board | RepoFile | None = None
    effects: tuple[Effect, ...] = ()


def nothing(why: str) -> Decision:
    """Decide to do nothing, and say why."""
    return Decision(why=why)
