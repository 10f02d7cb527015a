"""Everything that can happen, as frozen values: parsed out of webhooks, or sent by Orch to itself."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import TypeAdapter

from app.domain.admission_events import (
    AgentParked,
    LockDoubted,
    LockFreed,
    LocksKept,
    LocksReleased,
    LockWaits,
    SlotsDue,
)
from app.domain.base import ByType, Kind
from app.domain.complexity import Complexity
from app.domain.facts import Actor, CutOff, ReviewState
from app.domain.graph_events import (
    BlockerMoved,
    ChildMoved,
    ChildWanted,
    DependentWaits,
    GraphDue,
    GraphShown,
    IssueMoved,
    ParentSaid,
)
from app.domain.groups import group_of
from app.domain.jobs import Job, Priority
from app.domain.names import ADMISSION, Repository, TaskRef, config_group, ledger_group
from app.domain.outcomes import Outcome, RunResult
from app.domain.routing_events import TaskRouted
from app.domain.task_events import TaskEvent


class IssueLabeled(TaskEvent):
    """A label was put on an issue; title and body are those of that moment.

    `blocked_by` counts the issues that block it, None if GitHub does not tell; `parent` is the issue of the same
    repository that it is a sub-issue of.
    """

    type: Literal["issue_labeled"] = "issue_labeled"
    label: str
    blocked_by: int | None = None
    parent: int | None = None
    actor: Actor
    title: str
    body: str


class IssueUnlabeled(TaskEvent):
    """A label was taken off an issue."""

    type: Literal["issue_unlabeled"] = "issue_unlabeled"
    label: str
    actor: Actor


class IssueEdited(TaskEvent):
    """The title or text of an issue was changed; `labels` are those that were on, here and below."""

    type: Literal["issue_edited"] = "issue_edited"
    actor: Actor
    labels: tuple[str, ...]


class IssueClosed(TaskEvent):
    """An issue was closed. `again` is the second look, after a merge that closed it would have been heard of.

    `blocking` counts the issues that it blocks, closed ones too, 0 if GitHub does not tell; `parent` is the issue that
    it is a sub-issue of, if that is in the same repository.
    """

    type: Literal["issue_closed"] = "issue_closed"
    actor: Actor
    labels: tuple[str, ...]
    again: bool = False
    state_reason: str | None = None
    blocking: int = 0
    parent: int | None = None


class IssueReopened(TaskEvent):
    """A closed issue was opened again; see IssueClosed."""

    type: Literal["issue_reopened"] = "issue_reopened"
    actor: Actor
    labels: tuple[str, ...]
    state_reason: str | None = None
    blocking: int = 0
    parent: int | None = None


class IssueTransferred(TaskEvent):
    """An issue was moved to another repository, where it is `target`."""

    type: Literal["issue_transferred"] = "issue_transferred"
    actor: Actor
    labels: tuple[str, ...]
    target: TaskRef


class IssueDeleted(TaskEvent):
    """An issue was deleted."""

    type: Literal["issue_deleted"] = "issue_deleted"
    actor: Actor
    labels: tuple[str, ...]


class SubIssuesChanged(TaskEvent):
    """An issue became a sub-issue of the task's, or is none any more (`added` false)."""

    type: Literal["sub_issues_changed"] = "sub_issues_changed"
    actor: Actor
    child: TaskRef
    added: bool


class ParentChanged(TaskEvent):
    """The task's issue became a sub-issue of another, or is none of its any more (`added` false)."""

    type: Literal["parent_changed"] = "parent_changed"
    actor: Actor
    parent: TaskRef
    added: bool


class BlockersChanged(TaskEvent):
    """The task's issue is blocked by others than before."""

    type: Literal["blockers_changed"] = "blockers_changed"
    actor: Actor


class BlockingChanged(TaskEvent):
    """The task's issue blocks another, or does so no more."""

    type: Literal["blocking_changed"] = "blocking_changed"
    actor: Actor
    blocked: TaskRef


class Commented(TaskEvent):
    """Somebody wrote a comment on an issue, or on the pull request `pull` of its task, or edited one.

    `author_id` is who the comment is of, `before` what it said before an edit. `title` and `text` are those of the
    issue at that moment; None where the comment is on a pull request.

    `editor_unknown` says that it was edited and nobody told by whom, as only somebody else might have been allowed to.
    """

    type: Literal["commented"] = "commented"
    actor: Actor
    author_id: int
    comment_id: int
    body: str
    before: str | None = None
    written_at: datetime
    pull: int | None = None
    editor_unknown: bool = False
    title: str | None = None
    text: str | None = None
    blocked_by: int | None = None


class Reviewed(TaskEvent):
    """Somebody reviewed the pull request of a task; sent to the task by the pull request's own group."""

    type: Literal["reviewed"] = "reviewed"
    pull: int
    review_id: int
    actor: Actor
    state: ReviewState
    body: str
    at: datetime

    @property
    def says_nothing(self) -> bool:
        """Say whether all that the review says is in its threads, if anything."""
        return self.state is ReviewState.COMMENTED and not self.body.strip()


class MergeAsked(TaskEvent):
    """The label that asks for a merge was put on the pull request of a task, or taken off (`wanted` false)."""

    type: Literal["merge_asked"] = "merge_asked"
    pull: int
    actor: Actor
    wanted: bool


class TaskChecksEnded(TaskEvent):
    """Checks ended on a commit that may be the head of the task's branch."""

    type: Literal["task_checks_ended"] = "task_checks_ended"
    sha: str


class PullDue(TaskEvent):
    """Look whether the task's pull request conflicts, or can be merged; `look` counts how often that was not known.

    With `update` its branch is to have all of its base.
    """

    type: Literal["pull_due"] = "pull_due"
    look: int = 0
    update: bool = False


class FeedbackDue(TaskEvent):
    """Look whether people said something to the agent that it was not told."""

    type: Literal["feedback_due"] = "feedback_due"


class WorkspaceExpired(TaskEvent):
    """The workspace of an attempt that failed was kept for as long as it is to be."""

    type: Literal["workspace_expired"] = "workspace_expired"
    attempt: int


class TaskCutOff(TaskEvent):
    """Orch cannot write where the task is; sent to each task that this concerns."""

    type: Literal["task_cut_off"] = "task_cut_off"
    because: CutOff


class PullChanged(TaskEvent):
    """A pull request was closed unmerged, reopened or pushed to; sent to the task by its own group."""

    type: Literal["pull_changed"] = "pull_changed"
    pull: int
    branch: str
    actor: Actor
    head_sha: str | None = None


class PullMerged(TaskEvent):
    """The pull request of a task was merged; sent to the task by the pull request's own group."""

    type: Literal["pull_merged"] = "pull_merged"
    pull: int
    branch: str


class RunStarted(TaskEvent):
    """A runner was granted a run; `lost` is the run of the same job whose runner was lost before."""

    type: Literal["run_started"] = "run_started"
    run_id: str
    job_id: str
    lost: str | None = None


class RunProgressed(TaskEvent):
    """A run delivered instructions to its agent, or spent so many percent of what it may."""

    type: Literal["run_progressed"] = "run_progressed"
    run_id: str
    delivered: tuple[str, ...] = ()
    share: int | None = None


class RunGivenBack(TaskEvent):
    """A run could not go on where it was; its ref holds what it did so far as the commit `kept`."""

    type: Literal["run_given_back"] = "run_given_back"
    run_id: str
    kept: str


class RunFinished(TaskEvent):
    """A run that was current has ended."""

    type: Literal["run_finished"] = "run_finished"
    run_id: str
    job_id: str
    result: RunResult


class Refresh(TaskEvent):
    """Show on GitHub what the record says, if that is not shown yet."""

    type: Literal["refresh"] = "refresh"


class TaskChecked(TaskEvent):
    """Compare the task with GitHub: something may have happened while Orch was not looking.

    `again` is the second look at an issue that nobody had taken on at the first.
    """

    type: Literal["task_checked"] = "task_checked"
    again: bool = False


class PullEvent(Kind):
    """An event in the group of one pull request; its head repository is None if that is gone."""

    repository: Repository
    number: int
    head_branch: str
    head_repository_id: int | None

    @property
    def group(self) -> str:
        return group_of(self.repository.id, self.number)


class PullClosed(PullEvent):
    """A pull request was closed, merged or not."""

    type: Literal["pull_closed"] = "pull_closed"
    merged: bool
    actor: Actor


class PullReopened(PullEvent):
    """A closed pull request was opened again."""

    type: Literal["pull_reopened"] = "pull_reopened"
    actor: Actor


class PullPushed(PullEvent):
    """The branch of an open pull request has another head."""

    type: Literal["pull_pushed"] = "pull_pushed"
    actor: Actor
    head_sha: str


class PullLabeled(PullEvent):
    """A label was put on a pull request, or taken off (`on` false)."""

    type: Literal["pull_labeled"] = "pull_labeled"
    actor: Actor
    label: str
    on: bool


class ReviewSubmitted(PullEvent):
    """Somebody submitted a review."""

    type: Literal["review_submitted"] = "review_submitted"
    actor: Actor
    review_id: int
    state: ReviewState
    body: str
    at: datetime


class PullCommented(Kind):
    """Somebody wrote or edited a comment on a pull request; see Commented.

    `task_number` is the issue that the pull request says to close, if its body ends so; whether it is that task's is
    for the task to say.
    """

    type: Literal["pull_commented"] = "pull_commented"
    repository: Repository
    number: int
    pull_author_id: int
    task_number: int | None = None
    actor: Actor
    author_id: int
    comment_id: int
    body: str
    before: str | None = None
    written_at: datetime

    @property
    def group(self) -> str:
        return group_of(self.repository.id, self.number)


class MergeAwaited(Kind):
    """An issue with a pull request was closed: if a merge did it, the pull request's group has heard of it before."""

    type: Literal["merge_awaited"] = "merge_awaited"
    pull: int
    closed: IssueClosed

    @property
    def group(self) -> str:
        return group_of(self.closed.task.repository.id, self.pull)


class RepositoryEvent(Kind):
    """An event of a whole repository."""

    repository: Repository

    @property
    def group(self) -> str:
        return f"repository:{self.repository.id}/events"


class RepositoryChanged(RepositoryEvent):
    """A repository has another name or owner, or is archived no more."""

    type: Literal["repository_changed"] = "repository_changed"


class ChecksEnded(RepositoryEvent):
    """A check suite, a workflow run or a commit status came to its end on a commit of a branch."""

    type: Literal["checks_ended"] = "checks_ended"
    branches: tuple[str, ...]
    sha: str


class BaseMoved(RepositoryEvent):
    """The default branch has another head. `after` is the last task that was told."""

    type: Literal["base_moved"] = "base_moved"
    after: int = 0


class RepositoryArchived(RepositoryEvent):
    """A repository was made read-only."""

    type: Literal["repository_archived"] = "repository_archived"


class RepositoryDeleted(RepositoryEvent):
    """A repository was deleted. `after` is the last task that was told."""

    type: Literal["repository_deleted"] = "repository_deleted"
    after: int = 0


class InstallationEvent(Kind):
    """An event of one installation of the App."""

    installation_id: int

    @property
    def group(self) -> str:
        return f"installation:{self.installation_id}/events"


class RepositoriesAdded(InstallationEvent):
    """The App was installed on repositories; with `check`, look there for what was missed.

    `new` says that it was not there before, as far as GitHub tells.
    """

    type: Literal["repositories_added"] = "repositories_added"
    repositories: tuple[Repository, ...]
    check: bool = False
    new: bool = False


class RepositoriesRemoved(InstallationEvent):
    """The App was taken off repositories."""

    type: Literal["repositories_removed"] = "repositories_removed"
    repository_ids: tuple[int, ...]


class InstallationCutOff(InstallationEvent):
    """The App was uninstalled, or suspended."""

    type: Literal["installation_cut_off"] = "installation_cut_off"
    because: CutOff


class InstallationRestored(InstallationEvent):
    """The App is suspended no more."""

    type: Literal["installation_restored"] = "installation_restored"


class WorkCutOff(Kind):
    """Tell every task that runs or waits in the repositories (None: in all of the installation) of its being cut off.

    `after` is the last job whose task was told.
    """

    type: Literal["work_cut_off"] = "work_cut_off"
    because: CutOff
    installation_id: int
    repository_ids: tuple[int, ...] | None
    after: str = ""

    @property
    def group(self) -> str:
        return ADMISSION


class ConfigPushed(Kind):
    """The default branch moved, or is another one, so that `.orch.yml` may say something else."""

    type: Literal["config_pushed"] = "config_pushed"
    repository: Repository

    @property
    def group(self) -> str:
        return f"repository:{self.repository.id}/events"


class ConfigWanted(Kind):
    """Read a repository's `.orch.yml` again; with `new`, show it what that may say if there is none."""

    type: Literal["config_wanted"] = "config_wanted"
    repository: Repository
    new: bool = False

    @property
    def group(self) -> str:
        return config_group(self.repository.id)


class Spent(Kind):
    """A run of an agent came to its end after so many seconds and cost so much, in US dollars (None: not known)."""

    type: Literal["spent"] = "spent"
    repository: Repository
    run_id: str
    cost: Decimal | None
    at: datetime
    agent: str = ""
    complexity: Complexity | None = None
    outcome: Outcome | None = None
    seconds: float | None = None

    @property
    def group(self) -> str:
        return ledger_group(self.repository.installation_id)


class SlotWanted(Kind):
    """A task waits for a slot to run its job in; `most` is its repository's own limit on runs at once.

    `locks` are paths that no other task may hold meanwhile; `agent` is who is to run it, empty if that is not known.
    """

    type: Literal["slot_wanted"] = "slot_wanted"
    job: Job
    since: float
    most: int | None = None
    priority: Priority = "normal"
    agent: str = ""
    locks: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        return ADMISSION


class SlotFreed(Kind):
    """A job no longer needs its slot, or never will."""

    type: Literal["slot_freed"] = "slot_freed"
    job_id: str

    @property
    def group(self) -> str:
        return ADMISSION


class SlotsLimited(Kind):
    """A repository's own limit on runs at once is another one now (None: it has none)."""

    type: Literal["slots_limited"] = "slots_limited"
    repository_id: int
    most: int | None

    @property
    def group(self) -> str:
        return ADMISSION


class Ignored(Kind):
    """A delivery that means nothing to Orch."""

    type: Literal["ignored"] = "ignored"
    reason: str
    group: str


Event = (
    IssueLabeled
    | IssueUnlabeled
    | IssueEdited
    | IssueClosed
    | IssueReopened
    | IssueTransferred
    | IssueDeleted
    | SubIssuesChanged
    | ParentChanged
    | BlockersChanged
    | BlockingChanged
    | Commented
    | Reviewed
    | MergeAsked
    | TaskChecksEnded
    | PullDue
    | FeedbackDue
    | WorkspaceExpired
    | TaskCutOff
    | PullMerged
    | PullChanged
    | RunStarted
    | RunProgressed
    | RunGivenBack
    | RunFinished
    | Refresh
    | TaskChecked
    | PullClosed
    | PullReopened
    | PullPushed
    | PullLabeled
    | PullCommented
    | ReviewSubmitted
    | MergeAwaited
    | RepositoryChanged
    | ChecksEnded
    | BaseMoved
    | RepositoryArchived
    | RepositoryDeleted
    | RepositoriesAdded
    | RepositoriesRemoved
    | InstallationCutOff
    | InstallationRestored
    | WorkCutOff
    | ConfigPushed
    | ConfigWanted
    | Spent
    | ChildWanted
    | ChildMoved
    | BlockerMoved
    | DependentWaits
    | IssueMoved
    | ParentSaid
    | GraphDue
    | GraphShown
    | SlotWanted
    | SlotFreed
    | SlotsLimited
    | SlotsDue
    | AgentParked
    | LocksKept
    | LocksReleased
    | LockWaits
    | LockFreed
    | LockDoubted
    | TaskRouted
    | Ignored
)

EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, ByType()])
