"""What every call of a port goes through: it is counted, and the process can be killed there."""

from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

STEPS = {
    "store": {"commit"},
    "events": {"send"},
    "jobs": {"send"},
    "artifacts": {"write", "append"},
    "lease": {"ack", "release", "fail", "bury", "extend"},
}
"""Calls that leave a trace, by port; of GitHub's, all that are not in ASKS."""
ASKS = {
    "identity", "repositories", "repository", "standing", "file", "issue", "issues_labeled", "label_given",
    "text_changed", "comments", "comments_since", "branch_head", "commit_author", "pull", "pulls_from", "reviews",
    "threads", "checks", "job_log", "merge_view", "commit", "rules", "failed_deliveries", "sub_issues", "blocked_by",
    "blocking",
}  # fmt: skip
"""Calls of the GitHub port that change nothing."""


class Crash(BaseException):
    """The process was killed. Nothing of it may catch this, as nothing of it would be there to do so."""


class Gate:
    """The ports of one process: once it was killed, no call of it does anything.

    `counts` counts the calls by port and method, over all processes. `rate` is at what share of its steps the process
    is killed, besides at `crash_at`.
    """

    def __init__(self, counts: Counter[str], chance: Random, rate: float = 0) -> None:
        self.counts, self.chance, self.rate = counts, chance, rate
        self.steps = 0
        self.crash_at: int | None = None
        self.after = False
        self.dead = False

    def wrap(self, port: str, part: Any) -> Any:
        """Return the port with this gate before it."""
        return _Gated(self, port, part)

    async def passing(self, port: str, method: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Make the call, or be killed before or after it."""
        if self.dead:
            raise Crash
        self.counts[f"{port}.{method}"] += 1
        killed = self._is_step(port, method) and self._is_killed()
        if killed and not self.after:
            self._die()
        result = await call()
        if killed:
            self._die()
        if hasattr(result, "ack"):
            return self.wrap("lease", result)
        return result

    def _is_killed(self) -> bool:
        self.steps += 1
        return self.steps == self.crash_at or (self.rate > 0 and self.chance.random() < self.rate)

    def _is_step(self, port: str, method: str) -> bool:
        return method not in ASKS if port == "github" else method in STEPS[port]

    def _die(self) -> None:
        self.dead = True
        raise Crash


class _Gated:
    """A part whose methods go through a gate; what is no method is the part's own."""

    def __init__(self, gate: Gate, port: str, part: Any) -> None:
        self._gate, self._port, self._part = gate, port, part

    def __getattr__(self, name: str) -> Any:
        own = getattr(self._part, name)
        if not callable(own) or name == "stop":
            return own

        async def gated(*values: Any, **more: Any) -> Any:
            return await self._gate.passing(self._port, name, lambda: own(*values, **more))

        return gated
