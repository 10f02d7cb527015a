"""Things to do, as values; and the Decision that asks for them."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import TypeAdapter

from app.domain.admission import Board
from app.domain.base import ByType, Kind, Value
from app.domain.config import RepoFile
from app.domain.events import Event
from app.domain.grants import Stop
from app.domain.instructions import Instruction
from app.domain.jobs import Job
from app.domain.ledger import Ledger
from app.domain.names import Repository, TaskRef
from app.domain.notices import Notice
from app.domain.record import TaskRecord


class KeepText(Kind):
    """Keep the admitted text as an artifact."""

    type: Literal["keep_text"] = "keep_text"
    digest: str
    title: str
    body: str


class Send(Kind):
    """Send an event to its group, after `delay` seconds."""

    type: Literal["send"] = "send"
    event: Annotated[Event, ByType()]
    delay: float = 0


class Enqueue(Kind):
    """Ask the runners for a job."""

    type: Literal["enqueue"] = "enqueue"
    job: Job


class SetLabels(Kind):
    """Make the status label on the issue say what the record says when this is done."""

    type: Literal["set_labels"] = "set_labels"


class UpsertComment(Kind):
    """Make the living comment say what the record says when this is done."""

    type: Literal["upsert_comment"] = "upsert_comment"


class AddComment(Kind):
    """Post a comment of its own, which notifies people. `key` finds it again, so that it is posted once."""

    type: Literal["add_comment"] = "add_comment"
    task: TaskRef
    key: str
    body: str


class RemoveLabel(Kind):
    """Take a label off the issue."""

    type: Literal["remove_label"] = "remove_label"
    task: TaskRef
    label: str


class MoveBranch(Kind):
    """Make the task's branch point at a pushed commit: `previous` is where Orch left it, None if it made none."""

    type: Literal["move_branch"] = "move_branch"
    branch: str
    sha: str
    previous: str | None


class OpenPull(Kind):
    """Open the task's pull request, or find it."""

    type: Literal["open_pull"] = "open_pull"
    branch: str
    title: str
    body: str


class CloseIssue(Kind):
    """Close the issue as completed."""

    type: Literal["close_issue"] = "close_issue"


class DeleteRef(Kind):
    """Delete a ref (`refs/...`) that is not needed any more."""

    type: Literal["delete_ref"] = "delete_ref"
    ref: str


class StopRun(Kind):
    """Tell the run to stop at its next beat."""

    type: Literal["stop_run"] = "stop_run"
    run_id: str
    how: Stop = Stop.DROP


class Tell(Kind):
    """Have the run tell its agent what people said."""

    type: Literal["tell"] = "tell"
    run_id: str
    instructions: tuple[Instruction, ...]


class React(Kind):
    """Put a reaction on a comment."""

    type: Literal["react"] = "react"
    task: TaskRef
    comment_id: int
    reaction: Literal["eyes", "rocket", "confused"]


class AddLabel(Kind):
    """Put a label on the issue."""

    type: Literal["add_label"] = "add_label"
    task: TaskRef
    label: str


class ThreadAnswer(Value):
    """What to say in a review thread, and whether to resolve it."""

    thread: str
    body: str
    resolve: bool


class AnswerThreads(Kind):
    """Say in review threads what was done about them, and resolve those where that was seen to be done.

    `commit` is the one that the texts may name, as the run pushed it. `key` finds the answers again.
    """

    type: Literal["answer_threads"] = "answer_threads"
    pull: int
    key: str
    answers: tuple[ThreadAnswer, ...]
    commit: str | None = None


class SubmitReview(Kind):
    """Submit a review that neither approves nor asks for changes."""

    type: Literal["submit_review"] = "submit_review"
    pull: int
    key: str
    body: str


class UpdateBranch(Kind):
    """Have GitHub merge the base branch into the pull request's branch, whose head is `sha`."""

    type: Literal["update_branch"] = "update_branch"
    pull: int
    sha: str


class MergePull(Kind):
    """Merge the pull request, or put it into its merge queue, if `sha` is still its head."""

    type: Literal["merge_pull"] = "merge_pull"
    pull: int
    sha: str
    method: str
    queue: str | None = None


class CreateChild(Kind):
    """Create the sub-issue that the approved plan has under `key`; with `looks`, only if it is not there."""

    type: Literal["create_child"] = "create_child"
    key: str
    looks: bool = False


class LinkChild(Kind):
    """Have the sub-issue under `after` block the one under `key`; one link each, so that none is made again."""

    type: Literal["link_child"] = "link_child"
    key: str
    after: str


class ShowLog(Kind):
    """Post the end of a run's log as a comment."""

    type: Literal["show_log"] = "show_log"
    task: TaskRef
    key: str
    run_id: str


class AskRouter(Kind):
    """Ask a model about the task's text, which `digest` names, and tell the task; it may choose among these agents."""

    type: Literal["ask_router"] = "ask_router"
    task: TaskRef
    digest: str
    agents: tuple[str, ...]


class CreateLabels(Kind):
    """Create Orch's labels in a repository where they are missing; `trigger` is its own one, if it has one."""

    type: Literal["create_labels"] = "create_labels"
    repository: Repository
    trigger: str | None = None


class OpenOnboarding(Kind):
    """Open the pull request that shows a repository what can be configured, if there never was one."""

    type: Literal["open_onboarding"] = "open_onboarding"
    repository: Repository


class Notify(Kind):
    """Tell people outside GitHub, as far as they can be reached."""

    type: Literal["notify"] = "notify"
    notice: Notice


class CheckRepositories(Kind):
    """Look in these repositories, as far as Orch can see them, for what was missed."""

    type: Literal["check_repositories"] = "check_repositories"
    repository_ids: tuple[int, ...]


class ListRepositories(Kind):
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
    | StopRun
    | Tell
    | React
    | AddLabel
    | AnswerThreads
    | SubmitReview
    | UpdateBranch
    | MergePull
    | CreateChild
    | LinkChild
    | ShowLog
    | CreateLabels
    | OpenOnboarding
    | Notify
    | CheckRepositories
    | ListRepositories
    | AskRouter
)

EFFECT: TypeAdapter[Effect] = TypeAdapter(Annotated[Effect, ByType()])


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from an event: the new record (None: unchanged), effects in order, and one sentence why."""

    why: str
    record: TaskRecord | Board | RepoFile | Ledger | None = None
    effects: tuple[Effect, ...] = ()


def nothing(why: str) -> Decision:
    """Decide to do nothing, and say why."""
    return Decision(why=why)
