"""The ACP client and a real agent process, under the supervisor."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.domain.outcomes import Usage
from runner.agents.acp import AcpDialogue
from runner.agents.base import (
    AgentEvent,
    Asked,
    Assignment,
    Ended,
    EndStatus,
    Hangup,
    Prompt,
    Send,
    Session,
    Started,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
    base_environment,
)
from runner.supervision import Command, Exit, ExitReason, Limits, Stream, supervise

AGENT = Path(__file__).with_name("acp_agent.py")
Decide = Callable[[AcpDialogue, Asked], bytes]


def allow(dialogue: AcpDialogue, asked: Asked) -> bytes:
    return dialogue.answer(asked, True, "")


def refuse(dialogue: AcpDialogue, asked: Asked) -> bytes:
    return dialogue.answer(asked, False, "not here")


@pytest.fixture
def work(tmp_path: Path) -> Callable[..., Assignment]:
    for name in ("tree", "home", "tmp"):
        (tmp_path / name).mkdir()

    def make(*steps: str, **more: Any) -> Assignment:
        prompt = Prompt("\n".join(steps), "")
        return Assignment(prompt, tmp_path / "tree", tmp_path / "home", tmp_path / "tmp", **more)

    return make


async def drive(
    work: Assignment, decide: Decide = allow, cancel_at: type[AgentEvent] | None = None
) -> tuple[list[AgentEvent], Exit]:
    """Do what a run does: write what is to be sent, answer what is asked, hang up at the end."""
    dialogue = AcpDialogue(mode="default")
    command = Command(
        (sys.executable, "-I", "-S", str(AGENT)),
        base_environment(work.home, work.tmp),
        work.workspace,
        work.home.parent / "lock",
        Limits(60, 60),
        dialogue.start(work),
        talks=True,
    )
    events: list[AgentEvent] = []
    async with supervise(command) as run:
        async for line in run.lines():
            assert line.stream is Stream.STDOUT, line.text
            for event in dialogue.receive(line.data):
                events.append(event)
                if isinstance(event, Send):
                    await run.send(event.data)
                elif isinstance(event, Asked):
                    await run.send(decide(dialogue, event))
                elif isinstance(event, Hangup):
                    await run.hang_up()
                if type(event) is cancel_at:
                    await run.send(dialogue.cancel())
        ended = await run.wait()
    events += dialogue.close(ended.code)
    return events, ended


def last_word(events: list[AgentEvent]) -> Ended | None:
    return next((event for event in events if isinstance(event, Ended)), None)


Make = Callable[..., Assignment]


async def test_an_allowed_call_is_made(work: Make) -> None:
    made = work("run echo hello > hello.txt", "say done")
    events, ended = await drive(made)
    assert (made.workspace / "hello.txt").read_text() == "hello\n"
    assert last_word(events) == Ended(EndStatus.COMPLETED, "end_turn")
    assert (ended.reason, ended.code, ended.survivors) == (ExitReason.EXITED, 0, 0)


async def test_a_refused_call_is_not_made(work: Make) -> None:
    made = work("run echo hello > hello.txt", "say done")
    events, _ = await drive(made, refuse)
    assert list(made.workspace.iterdir()) == []
    assert ToolResult(False, "refused", "call-0") in events


async def test_leave_is_asked_with_the_input_told_before(work: Make) -> None:
    events, _ = await drive(work("run true", "say done"))
    assert [event for event in events if isinstance(event, Asked | ToolCall)] == [
        ToolCall("execute", {"command": "true"}, "call-0"),
        Asked("1", "execute", {"command": "true"}),
    ]


async def test_leave_is_for_one_call_only(work: Make) -> None:
    events, _ = await drive(work("run true", "run true", "say done"))
    assert len([event for event in events if isinstance(event, Asked)]) == 2


async def test_a_cancelled_tool_ends_in_order(work: Make) -> None:
    def allow_and_cancel(dialogue: AcpDialogue, asked: Asked) -> bytes:
        return dialogue.answer(asked, True, "") + dialogue.cancel()

    events, ended = await drive(work("run sleep 300", "say done"), allow_and_cancel)
    assert last_word(events) == Ended(EndStatus.CANCELLED, "the turn ended: cancelled")
    assert (ended.reason, ended.code, ended.survivors) == (ExitReason.EXITED, 0, 0)


async def test_what_waits_for_leave_is_let_go_by_cancelling(work: Make) -> None:
    made = work("run echo hello > hello.txt", "say done")
    events, _ = await drive(made, lambda dialogue, asked: dialogue.cancel())
    assert last_word(events) == Ended(EndStatus.CANCELLED, "the turn ended: cancelled")
    assert list(made.workspace.iterdir()) == []


async def test_a_session_that_opens_after_cancelling_gets_no_prompt(work: Make) -> None:
    events, _ = await drive(work("run true", "say done"), cancel_at=Send)
    assert last_word(events) == Ended(EndStatus.CANCELLED, "cancelled before the prompt")


async def test_files_are_not_read_for_the_agent(work: Make) -> None:
    events, _ = await drive(work("read /etc/passwd"))
    assert Unknown("fs/read_text_file") in events
    assert Text("read: -32601") in events


async def test_an_agent_that_dies_in_its_turn_has_no_last_word(work: Make) -> None:
    events, ended = await drive(work("say half of it", "die"))
    assert last_word(events) is None
    assert events[-1] == Text("half of it")
    assert ended.code == 7


async def test_a_session_goes_on_and_its_past_is_not_told_again(work: Make) -> None:
    await drive(work("say before"))
    events, _ = await drive(work("say after", session=Session("s1", Usage())))
    assert [event for event in events if isinstance(event, Started | Text)] == [Started("s1", None), Text("after")]


async def test_a_session_that_is_gone_is_begun_anew(work: Make) -> None:
    events, _ = await drive(work("say after", session=Session("s0", Usage())))
    assert Unknown("session/load: no such session") in events
    assert Started("s1", None) in events


async def test_a_provider_that_is_exhausted_is_named(work: Make) -> None:
    events, _ = await drive(work("fail -32603 Too Many Requests"))
    assert last_word(events) == Ended(EndStatus.PROVIDER_LIMITED, "session/prompt: Too Many Requests (error -32603)")
