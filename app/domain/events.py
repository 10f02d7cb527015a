"""Everything that can happen, as frozen values: parsed out of webhooks, or sent by Orch to itself."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from app.domain.base import Value
from app.domain.facts import Actor
from app.domain.jobs import Job
from app.domain.names import ADMISSION, Repository, TaskRef, config_group, group_of
from app.domain.outcomes import RunResult


class TaskEvent(Value):
    """An event in the group of one issue."""

    task: TaskRef

    @property
    def group(self) -> str:
        return self.task.group


class IssueLabeled(TaskEvent):
    """A label was put on an issue; title and body are those of that moment."""

    type: Literal["issue_labeled"] = "issue_labeled"
    label: str
    actor: Actor
    title: str
    body: str


class IssueUnlabeled(TaskEvent):
    """A label was taken off an issue."""

    type: Literal["issue_unlabeled"] = "issue_unlabeled"
    label: str
    actor: Actor


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


class PullClosed(Value):
    """A pull request was closed, merged or not."""

    type: Literal["pull_closed"] = "pull_closed"
    repository: Repository
    number: int
    head_branch: str
    head_repository_id: int | None
    merged: bool

    @property
    def group(self) -> str:
        return group_of(self.repository.id, self.number)


class RepositoriesAdded(Value):
    """The App was installed on repositories."""

    type: Literal["repositories_added"] = "repositories_added"
    installation_id: int
    repositories: tuple[Repository, ...]

    @property
    def group(self) -> str:
        return f"installation:{self.installation_id}/events"


class ConfigPushed(Value):
    """The default branch moved, or is another one, so that `.orch.yml` may say something else."""

    type: Literal["config_pushed"] = "config_pushed"
    repository: Repository

    @property
    def group(self) -> str:
        return f"repository:{self.repository.id}/events"


class ConfigWanted(Value):
    """Read a repository's `.orch.yml` again."""

    type: Literal["config_wanted"] = "config_wanted"
    repository: Repository

    @property
    def group(self) -> str:
        return config_group(self.repository.id)


class SlotWanted(Value):
    """A task waits for a slot to run its job in; `most` is its repository's own limit on runs at once."""

    type: Literal["slot_wanted"] = "slot_wanted"
    job: Job
    since: float
    most: int | None = None

    @property
    def group(self) -> str:
        return ADMISSION


class SlotFreed(Value):
    """A job no longer needs its slot, or never will."""

    type: Literal["slot_freed"] = "slot_freed"
    job_id: str

    @property
    def group(self) -> str:
        return ADMISSION


class SlotsLimited(Value):
    """A repository's own limit on runs at once is another one now (None: it has none)."""

    type: Literal["slots_limited"] = "slots_limited"
    repository_id: int
    most: int | None

    @property
    def group(self) -> str:
        return ADMISSION


class Ignored(Value):
    """A delivery that means nothing to Orch."""

    type: Literal["ignored"] = "ignored"
    reason: str
    group: str


Event = (
    IssueLabeled
    | IssueUnlabeled
    | PullMerged
    | RunStarted
    | RunFinished
    | Refresh
    | TaskChecked
    | PullClosed
    | RepositoriesAdded
    | ConfigPushed
    | ConfigWanted
    | SlotWanted
    | SlotFreed
    | SlotsLimited
    | Ignored
)

EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
