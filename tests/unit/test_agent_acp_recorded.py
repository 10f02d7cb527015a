import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.outcomes import Usage
from runner.agents.acp import AcpDialogue
from runner.agents.base import (
    Agent,
    Asked,
    Ended,
    Endpoint,
    EndStatus,
    Hangup,
    Lane,
    Retry,
    Session,
    Started,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
    UsageReport,
)
from runner.agents.gemini import GeminiAgent
from runner.agents.opencode import OpencodeAgent
from runner.agents.qwen import QwenAgent
from runner.supervision import Stream
from tests.unit.acp_talk import ALL, SHELL, UNKNOWN, dialogue, line, opened, play, recorded, told, work
from tests.unit.draw import examine, examine_few


@pytest.mark.parametrize("name", ALL)
def test_what_is_written_is_what_worked(name: str) -> None:
    _, written = play(name)
    first, *rest = recorded(name, "OUTGOING")
    assert written[0] == {
        "jsonrpc": "2.0",
        "id": first["id"],
        "method": "initialize",
        "params": {
            "protocolVersion": 1,
            "clientCapabilities": {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False},
            "clientInfo": {"name": "orch", "title": "Orch", "version": "1"},
        },
    }
    assert written[1:] == rest


def test_opencode_allowed() -> None:
    events, _ = play("opencodeacp-allow")
    told_input = {**SHELL, "cwd": "/workspace"}
    assert told(events) == [
        Started("ses_e0805c816ffemvvNLkv24KlzqX", "mock/mock-model"),
        ToolCall("execute", told_input, "call_5be8c4de60cb42f49a5a"),
        Asked("0", "execute", told_input),
        ToolResult(True, "(no output)", "call_5be8c4de60cb42f49a5a"),
        Text("Done: hello.txt now says hello."),
        UsageReport(None, None, None, Decimal("0.00642")),
        Ended(EndStatus.COMPLETED, "end_turn"),
        Hangup(),
    ]


def test_opencode_stops_when_it_is_refused_and_that_is_no_success() -> None:
    events, _ = play("opencodeacp-deny")
    assert told(events)[-4:] == [
        ToolResult(False, "The user rejected permission to use this specific tool call.", "call_3cc310cd9ebf4cb5a1b9"),
        UsageReport(None, None, None, Decimal("0.00321")),
        Ended(EndStatus.FAILED, "the turn ended without a last word (a tool call was refused)"),
        Hangup(),
    ]


def test_opencode_tells_of_an_exhausted_provider_in_words_only() -> None:
    events, _ = play("opencodeacp-e429")
    said = "session/prompt: Internal error: scripted 429 (error -32603)"
    assert events[-3:] == [UNKNOWN, Ended(EndStatus.PROVIDER_LIMITED, said), Hangup()]


def test_opencode_writes_a_file_by_itself_when_the_client_will_not() -> None:
    events, written = play("opencodeacp-write")
    assert Unknown("fs/write_text_file") in events
    assert written[-1]["error"]["code"] == -32601
    assert Ended(EndStatus.COMPLETED, "end_turn") in events


def test_opencode_says_zero_of_a_cancelled_turn_which_is_unknown() -> None:
    events, _ = play("opencodeacp-cancel", AcpDialogue())
    assert events[-3:] == [UNKNOWN, Ended(EndStatus.CANCELLED, "the turn ended: cancelled"), Hangup()]


def test_gemini_gives_the_command_as_title_only() -> None:
    events, _ = play("geminiacp-allow")
    assert told(events) == [
        Started("c14f983a-88ac-4381-a320-097d83a40e21", "auto"),
        ToolCall("execute", SHELL, "run_shell_command__run_shell_command_1795161738957_0"),
        Asked("0", "execute", SHELL),
        ToolResult(True, "", "run_shell_command__run_shell_command_1795161738957_0"),
        Text("Done: hello.txt now says hello."),
        UsageReport(2000, 100),
        Ended(EndStatus.COMPLETED, "end_turn"),
        Hangup(),
    ]


def test_a_title_is_no_input_unless_the_adapter_vouches_for_it() -> None:
    events, _ = play("geminiacp-allow", AcpDialogue())
    assert Asked("0", "execute", {}) in events


def test_gemini_goes_on_after_a_refusal() -> None:
    events, _ = play("geminiacp-deny")
    assert Ended(EndStatus.COMPLETED, "end_turn") in events
    assert not any(isinstance(event, ToolResult) for event in events)


@pytest.mark.parametrize(("name", "ok"), [("kimiacp-allow", True), ("kimiacp-deny", False)])
def test_kimi_gives_the_input_as_json_in_the_content(name: str, ok: bool) -> None:
    events, _ = play(name)
    asked = {**SHELL, "description": "create the file"}
    assert [event.input for event in events if isinstance(event, ToolCall | Asked)] == [asked, asked]
    assert [event.ok for event in events if isinstance(event, ToolResult)] == [ok]
    assert events[-3:] == [UNKNOWN, Ended(EndStatus.COMPLETED, "end_turn"), Hangup()]


def test_kimi_content_is_no_input_unless_the_adapter_vouches_for_it() -> None:
    events, _ = play("kimiacp-allow", AcpDialogue())
    assert Asked("0", "execute", {}) in events


def test_kimi_reports_an_exhausted_provider_as_a_turn_without_a_word() -> None:
    events, _ = play("kimiacp-e429")
    ended = Ended(EndStatus.FAILED, "the turn ended without a last word (no reason was given)")
    assert events[-3:] == [UNKNOWN, ended, Hangup()]


def test_qwen_asks_once_it_is_in_the_mode_to_and_counts_each_call_of_its_model() -> None:
    events, _ = play("qwenacp-allow")
    call, asked = "call_1e5091f1b9764442b982", {**SHELL, "description": "create the file"}
    assert [each for each in told(events) if not isinstance(each, Unknown | ToolResult)] == [
        Started("bc665e5b-1238-403c-9bd3-908132bf7b95", None),
        UsageReport(1000, 50, 200),
        ToolCall("execute", asked, call),
        Asked("0", "execute", asked),
        UsageReport(1000, 50, 200),
        Text("Done: hello.txt now says hello."),
        Ended(EndStatus.COMPLETED, "end_turn"),
        Hangup(),
    ]


def test_qwen_stops_when_it_is_refused_and_that_is_no_success() -> None:
    events, _ = play("qwenacp-deny")
    assert Ended(EndStatus.FAILED, "the turn ended without a last word (a tool call was refused)") in events


def test_claude_counts_a_cache_apart_and_has_a_price() -> None:
    events, _ = play("claudeacp-allow")
    assert UsageReport(2400, 100, 400, Decimal("0.01512")) in events
    assert Asked("0", "Bash", {**SHELL, "description": "create the file"}) in events


def test_codex_counts_a_cache_apart() -> None:
    events, _ = play("codexacp-allow")
    assert UsageReport(2000, 100, 400) in events
    assert ToolCall("exec_command", {**SHELL, "cwd": "/workspace"}, "call_f721e7217fee447f9e60") in events


def test_codex_reports_an_exhausted_provider_as_the_end_of_a_turn() -> None:
    events, _ = play("codexacp-e429")
    assert events.count(Retry(429)) == 5
    assert events[-3:] == [
        UNKNOWN,
        Ended(EndStatus.PROVIDER_LIMITED, "the turn ended after an error of the agent's own"),
        Hangup(),
    ]


@pytest.mark.parametrize("name", ALL)
def test_nothing_that_was_recorded_is_unknown(name: str) -> None:
    events, _ = play(name)
    known_by_nobody_else = {"_auth/status_update", "qwen/notify/session/mode-update", "craft/drainMidTurnQueue"}
    assert {event.kind for event in events if isinstance(event, Unknown)} <= known_by_nobody_else | {
        "fs/write_text_file"
    }


# The adapters that compose it

ADAPTERS = [OpencodeAgent, GeminiAgent, QwenAgent]
Adapter = type[OpencodeAgent | GeminiAgent | QwenAgent]
ENDPOINT = Endpoint("http://127.0.0.1:1/v1", "token")


@pytest.mark.parametrize("make", ADAPTERS)
def test_an_adapter_asks_in_its_gated_lane(make: Adapter) -> None:
    agent: Agent = make()
    assert Lane.GATED in agent.traits.lanes
    command = agent.command(work(lane=Lane.GATED, model="m", endpoint=ENDPOINT))
    assert command.talks
    assert json.loads(command.stdin or b"")["method"] == "initialize"
    events = [
        each
        for message in recorded(f"{make.traits.name}acp-allow", "INCOMING")
        for each in agent.parse(line(message), Stream.STDOUT)
    ]
    (asked,) = (event for event in events if isinstance(event, Asked))
    assert asked.input["command"] == SHELL["command"]
    assert json.loads(agent.answer(asked, False, ""))["result"]["outcome"]["outcome"] == "selected"
    assert Ended(EndStatus.COMPLETED, "end_turn") in events
    assert tuple(agent.close(0)) == ()


@pytest.mark.parametrize("make", ADAPTERS)
def test_an_adapter_asks_nobody_in_its_other_lane(make: Adapter) -> None:
    agent: Agent = make()
    command = agent.command(work(model="m", endpoint=ENDPOINT))
    assert not command.talks
    assert agent.cancel() == b""
    with pytest.raises(NotImplementedError):
        agent.answer(Asked("0", "execute", {}), True, "")


@pytest.mark.parametrize(
    ("make", "argv"),
    [
        (OpencodeAgent, ("opencode", "acp")),
        (GeminiAgent, ("gemini", "--acp", "-m", "m")),
        (QwenAgent, ("qwen", "--acp", "--auth-type", "openai", "--bare", "-m", "m")),
    ],
)
def test_an_adapter_starts_its_cli_as_an_acp_agent(make: Adapter, argv: tuple[str, ...]) -> None:
    assert make().command(work(lane=Lane.GATED, model="m", endpoint=ENDPOINT)).argv == argv


@pytest.mark.parametrize(("lane", "rule"), [(Lane.GATED, "ask"), (Lane.EXEC, "allow")])
def test_opencode_is_told_by_its_configuration_whether_to_ask(lane: Lane, rule: str) -> None:
    env = OpencodeAgent().command(work(lane=lane, model="m", endpoint=ENDPOINT)).env
    assert json.loads(env["OPENCODE_CONFIG_CONTENT"])["permission"]["*"] == rule


def test_opencode_goes_on_after_a_refusal() -> None:
    env = OpencodeAgent().command(work(lane=Lane.GATED, model="m", endpoint=ENDPOINT)).env
    assert json.loads(env["OPENCODE_CONFIG_CONTENT"])["experimental"] == {"continue_loop_on_deny": True}


def test_opencode_takes_a_model_of_its_own_from_its_configuration() -> None:
    env = OpencodeAgent().command(work(lane=Lane.GATED, model="anthropic/m")).env
    assert json.loads(env["OPENCODE_CONFIG_CONTENT"])["model"] == "anthropic/m"


def test_gemini_has_no_policy_that_allows_all_where_it_asks() -> None:
    assert list(GeminiAgent().command(work(lane=Lane.GATED, endpoint=ENDPOINT)).files) == [".gemini/settings.json"]


# Whatever comes

_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("completed"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def put(value: Any, path: list[int], new: Any) -> Any:
    """Replace one value somewhere inside a message."""
    inside = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    if not path or not inside:
        return new
    key, old = inside[path[0] % len(inside)]
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = put(old, path[1:], new)
    return copy


def survive(name: str, spoil: Callable[[int, dict[str, Any]], bytes]) -> None:
    talk = dialogue(name)
    talk.start(work(session=Session("s", Usage(tokens_in=1, cost=Decimal(1)))))
    for number, message in enumerate(recorded(name, "INCOMING")):
        for event in talk.receive(spoil(number, message)):
            repr(event).encode()
            if isinstance(event, Asked):
                json.dumps(event.input).encode()
                talk.answer(event, True, "")
    talk.cancel()
    tuple(talk.close(None))


@given(st.binary(max_size=200))
@examine
def test_no_bytes_raise(data: bytes) -> None:
    talk, _ = opened()
    assert all(isinstance(event, Unknown) for event in talk.receive(data))


@given(st.sampled_from(ALL), st.integers(0, 30), st.lists(st.integers(0, 9), max_size=6), _VALUES)
@examine
def test_no_message_raises(name: str, spoilt: int, path: list[int], value: Any) -> None:
    survive(name, lambda number, message: line(put(message, path, value) if number == spoilt else message))


@given(st.sampled_from(ALL), st.integers(0, 30), st.integers(0, 2000), st.binary(max_size=9), st.integers(0, 9))
@examine_few
def test_no_spoilt_line_raises(name: str, spoilt: int, at: int, data: bytes, cut: int) -> None:
    def spoil(number: int, message: dict[str, Any]) -> bytes:
        said = line(message)
        return said[:at] + data + said[at + cut :] if number == spoilt else said

    survive(name, spoil)


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"id":' + b"9" * 5000 + b"}", b'{"method":"x","id":NaN}', b"{}"])
def test_odd_json_raises_nothing(data: bytes) -> None:
    talk, _ = opened()
    assert [type(event) for event in talk.receive(data)] == [Unknown]
