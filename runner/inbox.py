"""What people tell an agent during its run: each is given once, and counts when the agent was seen to go on with it.

An instruction waits, is given (written to a process of the agent), is heard (that took it in), and is delivered once
the model then said or did something. What a process left before that waits again.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.domain.instructions import Told


@dataclass(slots=True)
class Inbox:
    """The instructions of one run; `arrived` is set when one comes to wait, `delivered` are keys in order."""

    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    delivered: list[str] = field(default_factory=list)
    _waiting: dict[str, Told] = field(default_factory=dict)
    _given: dict[str, Told] = field(default_factory=dict)
    _heard: dict[str, Told] = field(default_factory=dict)

    @property
    def waiting(self) -> tuple[Told, ...]:
        """List what the agent is to be told."""
        return tuple(self._waiting.values())

    def put(self, told: Iterable[Told]) -> None:
        """Take in what was ordered; that repeats what was not told to be delivered."""
        for one in told:
            if one.key not in {*self._waiting, *self._given, *self._heard, *self.delivered}:
                self._waiting[one.key] = one
                self.arrived.set()

    def give(self, key: str) -> None:
        """Note that a process of the agent was written an instruction that waits."""
        self._given[key] = self._waiting.pop(key)

    def prompt(self) -> tuple[Told, ...]:
        """Return what waits, for a prompt, which a process takes in as it starts."""
        told = self.waiting
        self._heard |= self._waiting
        self._waiting.clear()
        return told

    def hear(self, key: str) -> None:
        """Note that the agent took in what it was given."""
        if key in self._given:
            self._heard[key] = self._given.pop(key)

    def go_on(self) -> None:
        """Note that the model said or did something: what was heard before is delivered."""
        self.delivered += self._heard
        self._heard.clear()

    def end(self) -> None:
        """Note that the process is gone."""
        left = self._heard | self._given
        self._heard, self._given = {}, {}
        self._waiting = left | self._waiting
        if left:
            self.arrived.set()
