"""Agents that are let go, played from what they printed."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from app.domain.outcomes import Usage
from runner.agents.base import Agent, AgentEvent, Assignment, Ended, Endpoint, Prompt, Session
from runner.supervision import Stream
from tests.unit.mutations import GOLDEN

WORK = Assignment(
    Prompt("Fix it.\nPlease.", "Please."),
    Path("/room"),
    Path("/home"),
    Path("/tmp"),
    model="some-model",
    endpoint=Endpoint("http://127.0.0.1:1/v1", "token"),
)


def with_session(name: str, usage: Usage | None = None) -> Session:
    return Session(name, usage or Usage())


def play(
    agent: Agent, lines: Iterable[bytes], code: int | None = 0, *, stderr: Sequence[bytes] = (), work: Assignment = WORK
) -> list[AgentEvent]:
    """Start the agent, let it read what was printed, and end it."""
    agent.command(work)
    events = [event for line in stderr for event in agent.parse(line, Stream.STDERR)]
    events += [event for line in lines for event in agent.parse(line, Stream.STDOUT)]
    return [*events, *agent.close(code)]


def recorded_errors(name: str) -> list[bytes]:
    """Return the lines of standard error that an agent printed."""
    return (GOLDEN / f"{name}.err").read_bytes().splitlines()


def last_word(events: Iterable[AgentEvent]) -> Ended | None:
    return next((event for event in reversed(list(events)) if isinstance(event, Ended)), None)


def of(kind: type[AgentEvent], events: Iterable[AgentEvent]) -> list[AgentEvent]:
    return [event for event in events if isinstance(event, kind)]
