"""What tasks and admission tell each other besides slots: path locks, parked agents, looks for later."""

from datetime import datetime
from typing import Literal

from app.domain.base import Kind
from app.domain.names import ADMISSION, TaskRef
from app.domain.task_events import TaskEvent


class AdmissionEvent(Kind):
    """An event in the group that gives slots and path locks."""

    @property
    def group(self) -> str:
        return ADMISSION


class LocksKept(AdmissionEvent):
    """The task holds these paths, besides those that it is known to hold."""

    type: Literal["locks_kept"] = "locks_kept"
    task: TaskRef
    paths: tuple[str, ...]


class LocksReleased(AdmissionEvent):
    """The task holds no path any more."""

    type: Literal["locks_released"] = "locks_released"
    task: TaskRef


class AgentParked(AdmissionEvent):
    """A provider lets the agent do nothing until then, so that it gets no slot before."""

    type: Literal["agent_parked"] = "agent_parked"
    agent: str
    until: datetime


class SlotsDue(AdmissionEvent):
    """Time has passed or something is left to do: look again who may be given a slot.

    With `repository_id`, look also at the locks there that others wait for.
    """

    type: Literal["slots_due"] = "slots_due"
    repository_id: int | None = None


class LockWaits(TaskEvent):
    """The task's job waits for a path that another task of the repository holds; told once per job and holder."""

    type: Literal["lock_waits"] = "lock_waits"
    job_id: str
    holder: int
    path: str


class LockFreed(TaskEvent):
    """The job that waited for a lock has its slot now, and its locks."""

    type: Literal["lock_freed"] = "lock_freed"
    job_id: str


class LockDoubted(TaskEvent):
    """Others have waited long for a lock of this task; it says `LocksKept` or `LocksReleased`."""

    type: Literal["lock_doubted"] = "lock_doubted"
