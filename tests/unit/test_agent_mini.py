import json
import time
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from runner.agents import mini_model
from runner.agents.base import (
    Agent,
    AgentEvent,
    Assignment,
    Ended,
    Endpoint,
    EndStatus,
    Prompt,
    Refused,
    Retry,
    Started,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
    UsageReport,
    Wire,
)
from runner.agents.mini import MiniAgent, MiniLimits
from runner.supervision import Stream

ORDERS = mini_model.Orders(
    prompt="Do it.",
    wire="openai-chat",
    url="http://127.0.0.1/v1",
    model="m",
    turns=1,
    command_seconds=1,
    output_bytes=1,
    answer_seconds=1,
    answer_tokens=1,
    retries=1,
    first_delay=1,
    longest_delay=1,
)
EVENTS: list[tuple[dict[str, Any], AgentEvent]] = [
    ({"type": "started", "model": "m"}, Started(None, "m")),
    ({"type": "started", "model": None}, Started(None, None)),
    ({"type": "text", "text": "a"}, Text("a")),
    (
        {"type": "tool_call", "id": "1", "name": "shell", "input": {"command": "a"}},
        ToolCall("shell", {"command": "a"}, "1"),
    ),
    ({"type": "tool_result", "id": "1", "ok": True, "output": "a"}, ToolResult(True, "a", "1")),
    ({"type": "refused", "tool": "edit_file", "reason": "a"}, Refused("edit_file", "a")),
    ({"type": "usage", "tokens_in": 3, "tokens_out": 2, "tokens_cached": 1}, UsageReport(3, 2, 1)),
    ({"type": "usage", "tokens_in": 3, "tokens_out": None, "tokens_cached": None}, UsageReport(3, None)),
    ({"type": "retry", "status": 429, "delay": 1.5, "reason": "a"}, Retry(429, 1.5)),
    ({"type": "retry", "status": None, "delay": 1, "reason": "a"}, Retry(None, 1.0)),
    ({"type": "unknown", "kind": "image"}, Unknown("image")),
    ({"type": "ended", "status": "limit_reached", "reason": "a"}, Ended(EndStatus.LIMIT_REACHED, "a")),
]


def work(**changes: Any) -> Assignment:
    folder = Path("/runs")
    made = Assignment(Prompt("the prompt", "the body"), folder / "work", folder / "home", folder / "tmp", "m")
    return replace(made, endpoint=Endpoint("http://127.0.0.1/v1", "key"), **changes)


def orders(agent: MiniAgent, assignment: Assignment) -> dict[str, Any]:
    given: dict[str, Any] = json.loads(agent.command(assignment).stdin or b"")
    return given


@pytest.mark.parametrize(
    ("wire", "url", "key"),
    [
        (Wire.OPENAI_CHAT, "https://api.openai.com/v1", "OPENAI_API_KEY"),
        (Wire.ANTHROPIC, "https://api.anthropic.com", "ANTHROPIC_API_KEY"),
    ],
)
def test_it_speaks_two_protocols(wire: Wire, url: str, key: str) -> None:
    agent: Agent = MiniAgent(wire)
    assert (agent.traits.wire, agent.traits.url, agent.traits.key) == (wire, url, key)


def test_it_speaks_no_other_protocol() -> None:
    with pytest.raises(ValueError, match="mini speaks openai-chat and anthropic, not gemini"):
        MiniAgent(Wire.GEMINI)


def test_only_its_environment_holds_the_key() -> None:
    command = MiniAgent().command(work())
    assert command.env == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/runs/home",
        "TMPDIR": "/runs/tmp",
        "LANG": "C.UTF-8",
        "ORCH_MODEL_KEY": "key",
    }
    assert b'"key"' not in (command.stdin or b"")


def test_its_orders_are_what_the_driver_reads() -> None:
    given = mini_model.Orders(**orders(MiniAgent(Wire.ANTHROPIC, MiniLimits(retries=9)), work(max_turns=7)))
    assert (given.prompt, given.wire, given.url, given.model) == ("the prompt", "anthropic", "http://127.0.0.1/v1", "m")
    assert (given.turns, given.retries) == (7, 9)


def test_without_a_limit_of_turns_it_has_its_own() -> None:
    assert orders(MiniAgent(), work())["turns"] == 200


@pytest.mark.parametrize(("said", "event"), EVENTS)
def test_what_the_driver_says_is_an_event(said: dict[str, Any], event: AgentEvent) -> None:
    assert list(MiniAgent().parse(json.dumps(said).encode(), Stream.STDOUT)) == [event]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"type": "new"}', "new"),
        (b'{"type": "ended", "status": "excellent"}', "ended"),
        (b'{"type": "ended", "status": ["completed"]}', "ended"),
        (b"{}", ""),
        (b'{"type": "te', "a line that is no event"),
        (b"[1]", "a line that is no event"),
        (b"\xff", "a line that is no event"),
        (b"[" * 100_000, "a line that is no event"),
    ],
)
def test_a_line_it_does_not_know_breaks_nothing(line: bytes, kind: str) -> None:
    assert list(MiniAgent().parse(line, Stream.STDOUT)) == [Unknown(kind)]


def test_half_a_character_becomes_one_that_can_be_stored() -> None:
    assert list(MiniAgent().parse(b'{"type": "text", "text": "\\ud800"}', Stream.STDOUT)) == [Text("?")]


def test_what_stands_on_stderr_is_text() -> None:
    assert list(MiniAgent().parse(b'{"type": "ended", "status": "completed"}', Stream.STDERR)) == [
        Text('{"type": "ended", "status": "completed"}')
    ]


def test_it_makes_up_no_last_word() -> None:
    assert list(MiniAgent().close(0)) == []


@pytest.mark.parametrize("usage", [{}, {"usage": None}, {"usage": {"prompt_tokens": "3", "input_tokens": True}}])
@pytest.mark.parametrize("protocol", [mini_model.Chat, mini_model.Messages])
def test_what_the_provider_does_not_count_is_unknown(
    protocol: type[mini_model.Chat | mini_model.Messages], usage: dict[str, Any]
) -> None:
    talk = protocol(ORDERS, "", {})
    assert talk.usage(usage) == {"tokens_in": None, "tokens_out": None, "tokens_cached": None}


def test_anthropic_counts_its_cache_apart() -> None:
    used = {
        "input_tokens": 1,
        "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 300,
        "output_tokens": 4,
    }
    talk = mini_model.Messages(ORDERS, "", {})
    assert talk.usage({"usage": used}) == {"tokens_in": 321, "tokens_out": 4, "tokens_cached": 20}


def test_blocks_it_does_not_know_are_told_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    talk = mini_model.Messages(ORDERS, "", {})
    blocks = [{"type": "thinking", "thinking": "hm"}, {"type": "image"}, {"type": "text", "text": "a"}]
    reply = talk.add_answer({"content": blocks, "stop_reason": "end_turn"})
    assert reply == mini_model.Reply("a", [], "end_turn")
    assert talk.messages[-1] == {"role": "assistant", "content": blocks}
    assert capsys.readouterr().out == '{"type": "unknown", "kind": "image"}\n'


def test_thoughts_are_given_back_to_a_model_that_thinks() -> None:
    talk = mini_model.Chat(ORDERS, "", {})
    message = {"role": "assistant", "content": "a", "reasoning_content": "hm", "refusal": None}
    talk.add_answer({"choices": [{"message": message, "finish_reason": "stop"}]})
    assert talk.messages[-1] == {"role": "assistant", "content": "a", "reasoning_content": "hm"}


@pytest.mark.parametrize(
    ("value", "seconds"), [(None, None), ("3", 3.0), ("0.5", 0.5), ("-1", 0.0), ("soon", None), ("nan", 0.0)]
)
def test_how_long_a_provider_asks_to_wait(value: str | None, seconds: float | None) -> None:
    assert mini_model.read_retry_after(value) == seconds


def test_a_provider_may_name_the_moment() -> None:
    found = mini_model.read_retry_after(formatdate(time.time() + 100, usegmt=True))
    assert found == pytest.approx(100, abs=5)
