"""One agent at work, as a real process: leave for its calls, its end, and what ends it."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.domain.approvals import AskedCall
from app.domain.instructions import Told
from app.domain.outcomes import Outcome
from app.domain.policy import RunLimits
from runner.agents.base import (
    AgentCommand,
    AgentEvent,
    Asked,
    Assignment,
    Ended,
    EndStatus,
    Hangup,
    Heard,
    Refused,
    Send,
    Started,
    Text,
    ToolCall,
    ToolResult,
    Traits,
    Unknown,
    UsageReport,
)
from runner.driving import Drive, Leave
from runner.meter import Cut, Meter
from runner.story import Story
from runner.supervision import Command, Exit, ExitReason, Limits, Line, Stream

EVENTS: Mapping[str, Callable[[Any], AgentEvent]] = {
    "text": lambda said: Text(said["text"]),
    "ask": lambda said: Asked(said["id"], "bash", {"command": said["text"]}),
    "call": lambda said: ToolCall("bash", {}, said["id"]),
    "usage": lambda said: UsageReport(said["in"], 0),
    "ended": lambda said: Ended(EndStatus.COMPLETED, "done"),
    "send": lambda said: Send(b"sent\n"),
    "hangup": lambda said: Hangup(),
    "heard": lambda said: Heard(said["key"]),
    "result": lambda said: ToolResult(True, "", said["id"]),
}


@dataclass(slots=True)
class Talker:
    """An adapter to a shell script that prints events as JSON; `cancels` is what it can be asked to stop with."""

    cancels: bytes = b""
    steered: list[str] = field(default_factory=list)
    closed: list[int | None] = field(default_factory=list)
    traits: Traits = field(default_factory=lambda: Traits("talker", None))

    def command(self, work: Assignment) -> AgentCommand:
        raise NotImplementedError

    def parse(self, line: bytes, stream: Stream) -> Iterable[AgentEvent]:
        try:
            said = json.loads(line)
            return [EVENTS[said["type"]](said)]
        except (ValueError, KeyError, TypeError):
            return [Unknown(line.decode())]

    def close(self, code: int | None) -> Iterable[AgentEvent]:
        self.closed.append(code)
        return ()

    def answer(self, asked: Asked, allowed: bool, reason: str) -> bytes:
        return f"{asked.id} {'yes' if allowed else 'no'}\n".encode()

    def steer(self, key: str, said: str) -> bytes:
        self.steered.append(key)
        return f"{said}\n".encode() if self.traits.steers else b""

    def cancel(self) -> bytes:
        return self.cancels


@dataclass(slots=True)
class Kept:
    """A transcript that is kept in memory."""

    events: list[AgentEvent] = field(default_factory=list)
    lines: int = 0

    async def line(self, line: Line) -> None:
        self.lines += 1

    async def event(self, event: AgentEvent) -> None:
        self.events.append(event)


def judge(asked: Asked) -> Leave:
    return {"good": Leave(True, "fine"), "bad": Leave(False, "not here")}.get(
        asked.input["command"], Leave(None, "a person must say", AskedCall(key="k", text=asked.input["command"]))
    )


def drive_of(script: str, folder: Path, agent: Talker | None = None, limits: RunLimits | None = None) -> Drive:
    command = Command(
        ("sh", "-c", script), {"PATH": "/usr/bin:/bin"}, folder, folder / "lock", Limits(60, 60), talks=True
    )
    return Drive(
        agent=agent or Talker(),
        command=command,
        meter=Meter(limits or RunLimits(), lambda: ""),
        transcript=Kept(),
        judge=judge,
        priced=lambda report, model: report,
    )


def say(kind: str, **more: object) -> str:
    return f"echo '{json.dumps({'type': kind, **more})}'"


def events_of(drive: Drive) -> list[AgentEvent]:
    assert isinstance(drive.transcript, Kept)
    return drive.transcript.events


@pytest.mark.parametrize(("wish", "answer"), [("good", "7 yes"), ("bad", "7 no")])
async def test_each_request_is_answered_by_the_rules(tmp_path: Path, wish: str, answer: str) -> None:
    drive = drive_of(f"{say('ask', id='7', text=wish)}; read answer; echo $answer", tmp_path)
    await drive()
    assert Unknown(answer) in events_of(drive)
    assert (Refused("bash", "not here") in events_of(drive)) == (wish == "bad")


async def test_what_only_a_person_may_allow_ends_the_run(tmp_path: Path) -> None:
    asks = f"{say('ask', id='7', text='push')}; {say('ask', id='8', text='pull')}"
    drive = drive_of(f"{asks}; read answer; sleep 60", tmp_path)
    ended = await drive()
    assert drive.story.asked == AskedCall(key="k", text="push")
    assert (drive.cut, ended.reason) == (Cut(Outcome.APPROVAL_NEEDED, "a person must say"), ExitReason.STOPPED)


async def test_nothing_is_allowed_any_more_when_the_run_is_ended(tmp_path: Path) -> None:
    calls = "; ".join(say("call", id=str(number)) for number in range(3))
    script = f"{calls}; read word; {say('ask', id='7', text='good')}; read answer; echo $answer"
    drive = drive_of(script, tmp_path, Talker(cancels=b"stop\n"), RunLimits(tool_calls=2))
    await drive()
    assert Unknown("7 no") in events_of(drive)


async def test_the_protocols_own_words_are_sent_and_not_kept(tmp_path: Path) -> None:
    drive = drive_of(f"{say('send')}; read word; {say('text', text='heard')}; {say('hangup')}; cat", tmp_path)
    ended = await drive()
    assert events_of(drive) == [Text("heard")]
    assert ended.code == 0


async def test_an_agent_that_is_done_and_does_not_leave_is_ended_without_blame(tmp_path: Path) -> None:
    agent = Talker()
    drive = drive_of(f"{say('ended')}; {say('hangup')}; sleep 60", tmp_path, agent)
    drive.leave_seconds = 0.2
    ended = await drive()
    assert (ended.reason, ended.code, agent.closed) == (ExitReason.EXITED, 0, [0])


@pytest.mark.parametrize(("named", "kept"), [("ses_1-a", "ses_1-a"), ("--all", None), ("a" * 300, None), ("a b", None)])
def test_what_could_be_an_option_is_no_session(named: str, kept: str | None) -> None:
    story = Story()
    story.note(Started(named, "m" * 300))
    assert (story.session, story.model) == (kept, "m" * 200)


async def test_a_limit_ends_the_run_and_its_reason_stands(tmp_path: Path) -> None:
    calls = "; ".join(say("call", id=str(number)) for number in range(5))
    drive = drive_of(f"{calls}; sleep 60", tmp_path, limits=RunLimits(tool_calls=2))
    await drive()
    assert drive.cut == Cut(Outcome.BUDGET_SPENT, "it used 2 tool calls, which is the limit")


async def test_an_agent_that_can_be_asked_to_stop_is_asked_first(tmp_path: Path) -> None:
    drive = drive_of(f"{say('text', text='at work')}; read word; echo heard $word", tmp_path, Talker(cancels=b"stop\n"))
    drive.until = (cut_soon,)
    ended = await drive()
    assert Unknown("heard stop") in events_of(drive)
    assert (drive.cut, ended.code) == (Cut(Outcome.CANCELLED, "enough"), 0)


async def test_an_agent_that_was_asked_in_vain_is_ended(tmp_path: Path) -> None:
    drive = drive_of("while :; do read word || sleep 60; done", tmp_path, Talker(cancels=b"stop\n"))
    drive.until, drive.cancel_seconds = (cut_soon,), 0.2
    assert (await drive()).reason is ExitReason.STOPPED


async def cut_soon() -> Cut:
    await asyncio.sleep(0.2)
    return Cut(Outcome.CANCELLED, "enough")


async def test_an_agent_that_ends_by_itself_is_not_watched_any_more(tmp_path: Path) -> None:
    drive = drive_of(say("ended"), tmp_path)
    drive.until = (cut_much_later,)
    ended = await drive()
    assert (ended, drive.cut, drive.story.ended) == (
        Exit(ExitReason.EXITED, 0, rusage=ended.rusage),
        None,
        Ended(EndStatus.COMPLETED, "done"),
    )


async def cut_much_later() -> Cut:
    await asyncio.Event().wait()
    raise AssertionError


# Words in the middle of the work

MORE = Told(key="c1", author="writer", text="more")
LISTENS = Traits("talker", None, steers=True)


async def test_an_agent_is_told_what_waits_and_what_it_then_does_shows_that_it_heard(tmp_path: Path) -> None:
    script = f"read word; {say('heard', key='c1')}; {say('text', text='yes')}; {say('ended')}; {say('hangup')}; cat"
    drive = drive_of(script, tmp_path, Talker(traits=LISTENS))
    drive.inbox.put([MORE])
    await drive()
    assert (drive.inbox.delivered, drive.inbox.waiting) == (["c1"], ())


async def test_an_agent_that_ended_and_heard_nothing_is_hung_up_on(tmp_path: Path) -> None:
    drive = drive_of(f"read word; {say('ended')}; cat", tmp_path, Talker(traits=LISTENS))
    drive.inbox.put([MORE])
    drive.answer_seconds = 0.2
    ended = await drive()
    assert (ended.code, drive.inbox.delivered) == (0, [])


async def test_a_last_word_before_something_was_heard_is_none(tmp_path: Path) -> None:
    drive = drive_of(f"read word; {say('ended')}; {say('heard', key='c1')}", tmp_path, Talker(traits=LISTENS))
    drive.inbox.put([MORE])
    await drive()
    assert drive.story.ended is None


async def test_an_agent_that_cannot_be_told_is_not(tmp_path: Path) -> None:
    agent = Talker()
    drive = drive_of(say("ended"), tmp_path, agent)
    drive.inbox.put([MORE])
    await drive()
    assert (agent.steered, drive.inbox.waiting) == ([], (MORE,))


async def test_a_pause_waits_for_every_tool_that_is_at_work(tmp_path: Path) -> None:
    calls = f"{say('call', id='1')}; {say('call', id='2')}; {say('result', id='1')}"
    drive = drive_of(f"{calls}; sleep 0.3; {say('result', id='2')}; sleep 60", tmp_path)
    drive.pausing.set()
    await drive()
    assert drive.cut == Cut(Outcome.CANCELLED, "it was told to stop")
    assert events_of(drive)[-1] == ToolResult(True, "", "2")


async def test_i12_a_pause_does_not_wait_for_ever(tmp_path: Path) -> None:
    drive = drive_of(f"{say('call', id='1')}; sleep 60", tmp_path)
    drive.turn_seconds = 0.3
    drive.pausing.set()
    assert (await drive()).reason is ExitReason.STOPPED
