"""One agent at work: its process, its stream, what it uses, what it may, and its end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from app.domain.approvals import AskedCall
from app.domain.instructions import Told
from app.domain.outcomes import Outcome
from app.log import log
from runner.agents.base import (
    Agent,
    AgentEvent,
    Asked,
    Ended,
    EndStatus,
    Hangup,
    Heard,
    Refused,
    Send,
    Text,
    ToolCall,
    ToolResult,
    UsageReport,
)
from runner.inbox import Inbox
from runner.meter import Cut, Meter
from runner.story import Story
from runner.supervision import Command, Exit, ExitReason, Line, Supervised, supervise

CANCEL_SECONDS = 2.0
"""What an agent has to end by itself after it was asked to, before it gets a signal: with a beat, less than 5 s."""
TURN_SECONDS = 60.0
"""What an agent has to come to the end of its turn before it is asked to end."""
ANSWER_SECONDS = 60.0
"""What an agent has to begin with what it was told while it ended, before it is told that nothing follows."""
STOPPED = "it was told to stop"
LEAVE_SECONDS = 10.0
"""What an agent that was told that nothing follows has to end, before it is ended."""


class Transcript(Protocol):
    """Where all that an agent prints, and what it means, is kept."""

    async def line(self, line: Line) -> None: ...

    async def event(self, event: AgentEvent) -> None: ...


@dataclass(frozen=True, slots=True)
class Leave:
    """Whether a tool call may be made, and why; None if a person must say so, of the call that is `asked`."""

    granted: bool | None
    why: str
    asked: AskedCall | None = None


Judge = Callable[[Asked], Leave]
Priced = Callable[[UsageReport, str | None], UsageReport]


@dataclass(slots=True)
class Drive:
    """Drives one agent to its end. `until` are things whose coming to pass ends the run, with the cut they mean.

    `priced` gives a report the cost that the agent did not tell, where it is known. What comes to wait in `inbox` is
    told to an agent that can be told, in the words of `worded`; with `pausing` it is to end after its turn.
    """

    agent: Agent
    command: Command
    meter: Meter
    transcript: Transcript
    judge: Judge
    priced: Priced
    until: tuple[Callable[[], Awaitable[Cut]], ...] = ()
    story: Story = field(default_factory=Story)
    inbox: Inbox = field(default_factory=Inbox)
    worded: Callable[[Told], str] = lambda told: told.text
    pausing: asyncio.Event = field(default_factory=asyncio.Event)
    cut: Cut | None = None
    cancel_seconds: float = CANCEL_SECONDS
    leave_seconds: float = LEAVE_SECONDS
    turn_seconds: float = TURN_SECONDS
    answer_seconds: float = ANSWER_SECONDS
    _hung_up: bool = False
    _open_calls: set[str] = field(default_factory=set)
    _resting: asyncio.Event = field(default_factory=asyncio.Event)
    _watchers: list[asyncio.Task[None]] = field(default_factory=list)

    async def __call__(self) -> Exit:
        """Run the agent until no process of it is left, and return how its process ended."""
        self.story.begin()
        async with supervise(self.command) as supervised, self._watching(supervised):
            async for line in supervised.lines():
                await self.transcript.line(line)
                for event in self.agent.parse(line.data, line.stream):
                    await self._take(event, supervised)
            ended = await supervised.wait()
        if self._hung_up and self.cut is None and ended.reason is ExitReason.STOPPED:
            ended = replace(ended, reason=ExitReason.EXITED, code=0, signal=None)  # it was done, and did not leave
        for event in self.agent.close(ended.code):
            await self._take(event, None)
        return ended

    @asynccontextmanager
    async def _watching(self, supervised: Supervised) -> AsyncIterator[None]:
        self._watchers += [
            asyncio.create_task(self._watch(each, supervised), name="end of a run")
            for each in (*self.until, self._paused)
        ]
        if self.agent.traits.steers:
            self._watchers.append(asyncio.create_task(self._tell(supervised), name="words to an agent"))
        try:
            yield
        finally:
            for task in self._watchers:
                task.cancel()
            for task in self._watchers:
                with suppress(asyncio.CancelledError):
                    await task

    async def _watch(self, comes: Callable[[], Awaitable[Cut]], supervised: Supervised) -> None:
        cut = await comes()
        if self.cut is None:
            self._cut(cut)
            await self._end(supervised)

    async def _paused(self) -> Cut:
        """Wait for the end of a turn: of the agent's, or of a tool with no other one at work beside it."""
        await self.pausing.wait()
        self._resting.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.turn_seconds):
                await self._resting.wait()
        return Cut(Outcome.CANCELLED, STOPPED)

    async def _tell(self, supervised: Supervised) -> None:
        """Tell the agent what comes to wait; what it cannot be told any more goes on waiting."""
        while True:
            self.inbox.arrived.clear()
            for told in self.inbox.waiting:
                said = b"" if self.cut else self.agent.steer(told.key, self.worded(told))
                if said:
                    self.inbox.give(told.key)
                    await supervised.send(said)
            await self.inbox.arrived.wait()

    def _follow(self, event: AgentEvent) -> None:
        """Note what an event says about where the agent is in its turn."""
        match event:
            case Heard(key=key):
                self.inbox.hear(key)
            case Text():
                self.inbox.go_on()
            case ToolCall(id=name):
                self.inbox.go_on()
                self._open_calls.add(name)
                self._resting.clear()
            case ToolResult(id=name):
                self._open_calls.discard(name)
                if not self._open_calls:
                    self._resting.set()
            case Ended(status=status):
                self._resting.set()
                if status is EndStatus.COMPLETED:
                    self.inbox.go_on()

    async def _take(self, event: AgentEvent, supervised: Supervised | None) -> None:
        if isinstance(event, UsageReport):
            event = self.priced(event, self.story.model)
        if not isinstance(event, Send | Hangup):  # the agent's own protocol says nothing to people
            await self.transcript.event(event)
        self.story.note(event)
        self._follow(event)
        cut = self.meter.note(event)
        if supervised is not None:
            await self._reply(event, supervised)
            if cut and self.cut is None:
                self._cut(cut)
                await self._end(supervised)

    async def _reply(self, event: AgentEvent, supervised: Supervised) -> None:
        match event:
            case Send(data=data):
                await supervised.send(data)
            case Ended() if self.agent.traits.steers:
                later = self._hang_up_later(event, supervised)
                self._watchers.append(asyncio.create_task(later, name="patience for a further turn"))
            case Hangup():
                await self._hang_up(supervised)
            case Asked():
                await self._rule(event, supervised)

    async def _hang_up(self, supervised: Supervised) -> None:
        self._hung_up = True
        await supervised.hang_up()
        later = _stop_later(supervised, self.leave_seconds)
        self._watchers.append(asyncio.create_task(later, name="end of a talk"))

    async def _hang_up_later(self, last: Ended, supervised: Supervised) -> None:
        """Hang up on an agent that ended and then did not begin with what it was told meanwhile."""
        await asyncio.sleep(self.answer_seconds)
        if self.story.ended is last and not self._hung_up:
            await self._hang_up(supervised)

    async def _rule(self, asked: Asked, supervised: Supervised) -> None:
        """Answer a request for leave; one that only a person can answer ends the run, refused for now."""
        leave = self.judge(asked) if self.cut is None else Leave(False, "the run is ended")
        await supervised.send(self.agent.answer(asked, leave.granted is True, leave.why))
        if leave.granted is not True:
            await self._take(Refused(asked.tool, leave.why), None)
        if leave.granted is None and self.cut is None:
            self.story.asked = leave.asked
            self._cut(Cut(Outcome.APPROVAL_NEEDED, leave.why))
            await self._end(supervised)

    def _cut(self, cut: Cut) -> None:
        if self.cut is None:
            self.cut = cut
            log().info("the run is ended", outcome=cut.outcome.value, reason=cut.reason)

    async def _end(self, supervised: Supervised) -> None:
        """Ask the agent to end where it can be asked, and let the supervisor do it if it does not."""
        if cancel := self.agent.cancel():
            await supervised.send(cancel)
            later = _stop_later(supervised, self.cancel_seconds)
            self._watchers.append(asyncio.create_task(later, name="last patience with an agent"))
        else:
            await supervised.stop()


async def _stop_later(supervised: Supervised, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await supervised.stop()
