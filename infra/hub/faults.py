"""Faults that can be switched on, and what they decided so far."""

import hashlib
import random
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from infra.hub.errors import ApiError

T = TypeVar("T")


@checked(slots=True, frozen=True, config=ConfigDict(extra="forbid"))
class Switches:
    """The faults; everything off.

    `write_then_502` is "once" (each distinct write answers 502 once, after it was done) or a probability.
    `secondary_limit` is {"count", "window", "retry_after", "status"}: so many content-creating requests per window.
    Rates are probabilities, times seconds unless the name says otherwise; `seed` makes all of it repeatable.
    """

    seed: int = 0
    write_then_502: Literal["once"] | float = 0.0
    fail_rate: float = 0.0
    secondary_limit: dict[str, float] | None = None
    lag_seconds: float = 0.0
    mergeable_null_times: int = 0
    latency_ms: float = 0.0
    closing_keywords: bool = True
    webhook_delay: float = 0.0
    webhook_shuffle: bool = False
    webhook_double: bool = False
    webhook_refuse_rate: float = 0.0
    webhook_drop_rate: float = 0.0


@dataclass(slots=True)
class Faults:
    """The switches as set, with the memory that they need; lost on restart, like a real outage."""

    on: Switches = field(default_factory=Switches)
    violations: int = 0
    _random: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - chance, not secrets
    _answered: set[str] = field(default_factory=set)
    _created: deque[float] = field(default_factory=deque)
    _blocked_until: float = 0.0

    def set(self, changes: dict[str, Any]) -> None:
        """Set switches anew; those not named go back to off. Raises ApiError 422 for what is no switch or value."""
        try:
            self.on = TypeAdapter(Switches).validate_python(changes)
        except ValidationError as error:
            raise ApiError(422, str(error)) from error
        self._random = random.Random(self.on.seed)  # noqa: S311 - chance, not secrets
        self._answered.clear()
        self._created.clear()
        self._blocked_until = 0.0
        self.violations = 0

    def describe(self) -> dict[str, Any]:
        return {**asdict(self.on), "violations": self.violations}

    def chance(self, rate: float) -> bool:
        return rate > 0 and self._random.random() < rate

    def pick(self, waiting: list[T]) -> T:
        return self._random.choice(waiting)

    def before(self, now: float, *, creates: bool) -> None:
        """Fail a request before it does anything. Raises ApiError 5xx, 403 or 429."""
        if self.chance(self.on.fail_rate):
            raise ApiError(self._random.choice((500, 502, 503)), "Server Error")
        if creates and self.on.secondary_limit is not None:
            self._limit(now, self.on.secondary_limit)

    def after_write(self, effect: str) -> None:
        """Fail a request whose write was done. Raises ApiError 502."""
        rate = self.on.write_then_502
        if rate == "once":
            digest = hashlib.sha256(effect.encode()).hexdigest()
            if digest in self._answered:
                return
            self._answered.add(digest)
            raise ApiError(502, "Server Error")
        if self.chance(rate):
            raise ApiError(502, "Server Error")

    def _limit(self, now: float, limit: dict[str, float]) -> None:
        if now < self._blocked_until:
            self.violations += 1
            raise _secondary(self._blocked_until - now, limit)
        window = limit.get("window", 60.0)
        while self._created and self._created[0] <= now - window:
            self._created.popleft()
        if len(self._created) >= limit["count"]:
            self._blocked_until = now + limit.get("retry_after", window)
            self._created.clear()
            raise _secondary(self._blocked_until - now, limit)
        self._created.append(now)


def _secondary(wait: float, limit: dict[str, float]) -> ApiError:
    return ApiError(
        int(limit.get("status", 403)),
        "You have exceeded a secondary rate limit and have been temporarily blocked from content creation. "
        "Please retry your request again later.",
        headers={"Retry-After": str(max(1, -int(-wait // 1)))},
    )
