"""What a model's advice on a new task comes as."""

from typing import Literal

from app.domain.advice import Advice
from app.domain.task_events import TaskEvent


class TaskRouted(TaskEvent):
    """A model was asked about the text that `digest` names, and gave advice, or none."""

    type: Literal["task_routed"] = "task_routed"
    digest: str
    advice: Advice
