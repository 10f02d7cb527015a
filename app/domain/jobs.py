"""The message that asks a runner for work. Both sides import this one type."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from app.domain.base import Value
from app.domain.names import TaskRef


class JobKind(StrEnum):
    """Run an agent, or remove what a finished task left on the runner's disk."""

    RUN = "run"
    CLEANUP = "cleanup"


class Purpose(StrEnum):
    """What a run is for.

    WORK: the task itself, or what a mention asks. REWORK: review threads, instructions and failed checks on the branch
    there is. REBASE: bring the base branch in and resolve the conflicts. REVIEW: say what is to be said of the branch.
    PLAN: propose what the task is made of. INTEGRATION: check the base branch by what the whole was to do.
    """

    WORK = "work"
    REWORK = "rework"
    REBASE = "rebase"
    REVIEW = "review"
    PLAN = "plan"
    INTEGRATION = "integration"

    @property
    def only_reads(self) -> bool:
        """Say whether nothing is kept of what its agent changes."""
        return self in (Purpose.REVIEW, Purpose.PLAN, Purpose.INTEGRATION)


Priority = Literal["high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = ("high", "normal", "low")
"""Which waiting job goes before which, in one repository."""


class Job(Value):
    """One run to do; ids, no objects. The id is derived, so that asking twice is asking once.

    `trace` is the `traceparent` (W3C Trace Context) of what asked for it. An Orch that traces nothing writes none, so
    that those read its jobs that know no such field.
    """

    version: Literal[1] = 1
    id: str
    kind: JobKind
    task: TaskRef
    attempt: int
    step: str
    trace: str | None = Field(default=None, exclude_if=lambda trace: trace is None)


class DeadJob(Value):
    """A job that was set aside, and why; `job` is None if it cannot be read."""

    id: str
    job: Job | None
    reason: str
    failures: int
    died_at: datetime


def run_job(task: TaskRef, attempt: int, step: str = "work") -> Job:
    """Make the job for a step of an attempt."""
    identity = f"{task.repository.id}-{task.number}-{attempt}-{step}"
    return Job(id=identity, kind=JobKind.RUN, task=task, attempt=attempt, step=step)


def cleanup_job(task: TaskRef, attempt: int) -> Job:
    """Make the job that removes the task's workspace."""
    identity = f"{task.repository.id}-{task.number}-{attempt}-cleanup"
    return Job(id=identity, kind=JobKind.CLEANUP, task=task, attempt=attempt, step="cleanup")
