"""The base of what happens to one issue."""

from app.domain.base import Kind
from app.domain.names import TaskRef


class TaskEvent(Kind):
    """An event in the group of one issue."""

    task: TaskRef

    @property
    def group(self) -> str:
        return self.task.group
