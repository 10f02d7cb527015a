"""One agent at work: its process, its stream, what it uses, what it may, and its end."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from app.domain.approvals import AskedCall
from app.domain.outcomes import Outcome
from app.log import log
from runner.agents.base import (
    Agent,
    AgentEvent,
    Asked,
    Ended,
    Hangup,
    Refused,
    Retry,
    Send,
    Started,
    Text,
    Unknown,
    UsageReport,
)
from runner.meter import Cut, Meter
from runner.supervision import Command, Exit, ExitReason, Line, Supervised, supervise

CANCEL_SECONDS = 3.0
"""What an agent has to end by itself after it was asked to, before it gets a signal."""
LEAVE_SECONDS = 10.0
"""What an agent that was told that nothing follows has to end, before it is ended."""
TEXT_LIMIT = 4000
NAME_LIMIT = 200
SESSION = re.compile(rf"\w[\w.:/+=@-]{{0,{NAME_LIMIT}}}", re.ASCII)
"""What a session may be called: it comes back as a word on a command line, and must be no option there."""


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


@dataclass(slots=True)
class Story:
    """What an agent said of itself so far."""

    session: str | None = None
    model: str | None = None
    text: str = ""
    ended: Ended | None = None
    asked: AskedCall | None = None
    refused: int = 0
    retries: int = 0
    unknown: int = 0

    def note(self, event: AgentEvent) -> None:
        """Take an event into account."""
        match event:
            case Started(session=session, model=model):
                if session and SESSION.fullmatch(session):
                    self.session = session
                self.model = (model or "")[:NAME_LIMIT] or self.model
            case Text(text=text):
                self.text = (self.text + text + "\n")[-2 * TEXT_LIMIT :]
            case Ended():
                self.ended = event
            case Refused():
                self.refused += 1
            case Retry():
                self.retries += 1
            case Unknown():
                self.unknown += 1


Judge = Callable[[Asked], Leave]
Priced = Callable[[UsageReport, str | None], UsageReport]


@dataclass(slots=True)
class Drive:
    """Drives one agent to its end. `until` are things whose coming to pass ends the run, with the cut they mean.

    `priced` gives a report the cost that the agent did not tell, where it is known.
    """

    agent: Agent
    command: Command
    meter: Meter
    transcript: Transcript
    judge: Judge
    priced: Priced
    until: tuple[Callable[[], Awaitable[Cut]], ...] = ()
    story: Story = field(default_factory=Story)
    cut: Cut | None = None
    cancel_seconds: float = CANCEL_SECONDS
    leave_seconds: float = LEAVE_SECONDS
    _hung_up: bool = False
    _watchers: list[asyncio.Task[None]] = field(default_factory=list)

    async def __call__(self) -> Exit:
        """Run the agent until no process of it is left, and return how its process ended."""
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
            asyncio.create_task(self._watch(each, supervised), name="end of a run") for each in self.until
        ]
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

    async def _take(self, event: AgentEvent, supervised: Supervised | None) -> None:
        if isinstance(event, UsageReport):
            event = self.priced(event, self.story.model)
        if not isinstance(event, Send | Hangup):  # the agent's own protocol says nothing to people
            await self.transcript.event(event)
        self.story.note(event)
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
            case Hangup():
                self._hung_up = True
                await supervised.hang_up()
                self._watchers.append(
                    asyncio.create_task(_stop_later(supervised, self.leave_seconds), name="end of a talk")
                )
            case Asked():
                await self._rule(event, supervised)

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
