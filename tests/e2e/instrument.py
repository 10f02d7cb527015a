"""Points of the path at which a process can be killed: before and after each step that leaves a trace.

Nothing in the product knows of them: they are put around the ports, and around the runner's git, agent and
workspace steps, in the process that is to be killed.
"""

import functools
import inspect
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from structlog.contextvars import get_contextvars

from app.apply import Apply
from app.domain.effects import MoveBranch
from app.domain.errors import Permanent
from app.domain.record import TaskRecord
from app.pull_effects import PullEffects
from runner.git import Git
from runner.supervision import Supervised
from runner.workspace import Mirror, Workspace

STEPS = {
    "events": {"send"},
    "jobs": {"send"},
    "store": {"commit"},
    "artifacts": {"write"},
    "runs": {"begin", "token", "revoke", "finish"},
    "github": {
        "permission", "create_comment", "edit_comment", "pin_comment", "add_labels", "remove_label", "close_issue",
        "create_branch", "move_branch", "delete_ref", "create_pull", "create_sub_issue", "add_blocked_by", "mint",
        "revoke",
    },
}  # fmt: skip
LEASED = {"ack", "release", "fail", "bury"}
RUNNER = ((Mirror, ("fetch",)), (Workspace, ("prepare", "snapshot", "push", "remove")), (Supervised, ("wait",)))


class Points:
    """Counts the points reached, writes their names down, and kills the process at one of them."""

    def __init__(self, listing: Path, kill_at: str | None) -> None:
        self._listing, self._kill_at = listing, kill_at
        self._seen: Counter[str] = Counter()

    def reach(self, step: str) -> None:
        """Pass a point; its name is the event or job that is being handled, the step, and how often both were there."""
        bound = get_contextvars()
        name = f"{bound.get('name') or ('job' if 'job' in bound else 'web')}: {step}"
        self._seen[name] += 1
        point = f"{name} {self._seen[name]}"
        with self._listing.open("a") as listing:
            listing.write(f"{point}\n")
        if point == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, name: str, step: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Return the step with a point before and one after it."""

        @functools.wraps(step)
        async def stepped(*values: Any, **more: Any) -> Any:
            self.reach(f"before {name}")
            result = await step(*values, **more)
            self.reach(f"after {name}")
            return result

        return stepped

    def wrap(self, name: str, part: Any) -> Any:
        """Return a port with points around its steps, and around those of what it leases."""
        return _Stepped(self, name, part, STEPS[name]) if name in STEPS else part

    def wrap_runner(self) -> None:
        """Put points around what a run does on the runner's own machine, down to each git command."""
        for kind, names in RUNNER:
            for name in names:
                setattr(kind, name, self.around(f"{kind.__name__.lower()}.{name}", getattr(kind, name)))
        plain = Git.__call__

        async def call(git: Git, *argv: str, **more: Any) -> bytes:
            stepped: Callable[..., Awaitable[bytes]] = self.around(f"git.{argv[0]}", plain)
            return await stepped(git, *argv, **more)

        Git.__call__ = call  # type: ignore[method-assign, assignment]
        begin = Supervised.begin

        def begin_stepped(run: Supervised, *values: Any) -> None:
            self.reach("before agent")
            begin(run, *values)
            self.reach("after agent")

        Supervised.begin = begin_stepped  # type: ignore[method-assign, assignment]


def mutate(name: str) -> None:
    """Make one effect do twice what it should do once, so that the harness can show that it notices."""
    upsert = Apply._upsert_comment

    async def comment_without_looking(self: Apply, record: TaskRecord, looks: bool) -> int:
        return await upsert(self, record, looks=False)

    async def branch_without_comparing(self: PullEffects, effect: MoveBranch, record: TaskRecord) -> str:
        if not await self.github.create_branch(record.task.repository, effect.branch, effect.sha):
            raise Permanent("the branch exists")
        return effect.sha

    match name:
        case "comment":
            Apply._upsert_comment = comment_without_looking  # type: ignore[method-assign]
        case "branch":
            PullEffects._move_to = branch_without_comparing  # type: ignore[method-assign]


class _Stepped:
    """A part whose steps have points around them; all else is the part's own."""

    def __init__(self, points: Points, name: str, part: Any, steps: set[str]) -> None:
        self._points, self._name, self._part, self._steps = points, name, part, steps

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._part, name)
        if name == "receive":
            return self._receive
        if name in self._steps and inspect.iscoroutinefunction(value):
            return self._points.around(f"{self._name}.{name}", value)
        return value

    async def _receive(self, wait: float) -> Any:
        lease = await self._part.receive(wait)
        return lease and _Stepped(self._points, f"{self._name} lease", lease, LEASED)
