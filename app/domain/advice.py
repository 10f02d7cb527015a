"""What a model is asked of a new task, and what it may say: nothing but choices out of lists that Orch gives it."""

from collections.abc import Mapping

from app.domain.base import Value
from app.domain.complexity import Complexity


class RouteQuestion(Value):
    """The text is anybody's: material to judge, which nothing in it can turn into an order.

    `agents` and `roles` are the names to choose from, each with what the operator says of it (possibly nothing).
    """

    title: str
    body: str
    agents: Mapping[str, str]
    roles: Mapping[str, str] = {}


class Advice(Value):
    """What a model chose, each None if it left that open; `failed` says why it chose nothing at all."""

    agent: str | None = None
    complexity: Complexity | None = None
    role: str | None = None
    failed: str | None = None
