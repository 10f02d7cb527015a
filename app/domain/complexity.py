"""How much a task asks of an agent."""

from enum import StrEnum


class Complexity(StrEnum):
    """The values are the labels `complexity:<value>`."""

    SIMPLE = "simple"
    MEDIUM = "medium"
    COMPLEX = "complex"
