import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.outcomes import Usage
from runner.agents.acp import AcpDialogue
from runner.agents.acp_calls import InputFrom
from runner.agents.base import (
    Agent,
    AgentEvent,
    Asked,
    Assignment,
    Ended,
    Endpoint,
    EndStatus,
    Hangup,
    Lane,
    Prompt,
    Refused,
    Retry,
    Send,
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
from tests.unit.draw import examine, examine_few

GOLDEN = Path(__file__).parents[1] / "golden" / "agents"
ALL = sorted(path.name.removesuffix(".acp.jsonl") for path in GOLDEN.glob("*acp-*.acp.jsonl"))
PROMPT = "create hello.txt saying hello"
SHELL = {"command": "echo hello > hello.txt"}
UNKNOWN = UsageReport(None, None)


def work(**more: Any) -> Assignment:
    return Assignment(Prompt(PROMPT, ""), Path("/workspace"), Path("/home"), Path("/tmp"), **more)


def dialogue(name: str) -> AcpDialogue:
    """Set up for the CLI of a golden file, as its adapter does."""
    match name.partition("acp-")[0]:
        case "opencode":
            return AcpDialogue(counts_tokens=False)
        case "qwen":
            return AcpDialogue(mode="default")
        case "gemini":
            return AcpDialogue(mode="default", inputs=InputFrom.TITLE)
        case "kimi":
            return AcpDialogue(mode="default", inputs=InputFrom.CONTENT)
        case _:
            return AcpDialogue()


def recorded(name: str, direction: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (GOLDEN / f"{name}.acp.jsonl").read_text().splitlines()]
    return [line["msg"] for line in lines if line["dir"].endswith(direction)]


def line(message: object) -> bytes:
    return json.dumps(message).encode()


def play(name: str, made: AcpDialogue | None = None) -> tuple[list[AgentEvent], list[dict[str, Any]]]:
    """Play what an agent said; return the events and what was written to it."""
    talk = made or dialogue(name)
    events, written = [], [talk.start(work())]
    for message in recorded(name, "INCOMING"):
        for event in talk.receive(line(message)):
            events.append(event)
            if isinstance(event, Send):
                written.append(event.data)
            elif isinstance(event, Asked):
                written.append(talk.answer(event, not name.endswith("deny"), ""))
        if name.endswith("cancel") and ToolCall in map(type, events) and len(written) == 4:
            written.append(talk.cancel())
    return events, [json.loads(each) for each in written]


def told(events: Iterable[AgentEvent]) -> list[AgentEvent]:
    return [event for event in events if not isinstance(event, Send)]


# What CLIs really say


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


def test_opencode_takes_a_model_of_its_own_from_its_configuration() -> None:
    env = OpencodeAgent().command(work(lane=Lane.GATED, model="anthropic/m")).env
    assert json.loads(env["OPENCODE_CONFIG_CONTENT"])["model"] == "anthropic/m"


def test_gemini_has_no_policy_that_allows_all_where_it_asks() -> None:
    assert list(GeminiAgent().command(work(lane=Lane.GATED, endpoint=ENDPOINT)).files) == [".gemini/settings.json"]


# The dialogue


def receive(talk: AcpDialogue, *messages: dict[str, Any]) -> list[AgentEvent]:
    return [event for each in messages for event in talk.receive(line({"jsonrpc": "2.0", **each}))]


def sent(events: Iterable[AgentEvent]) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in events if isinstance(event, Send)]


def initialized(**capabilities: Any) -> dict[str, Any]:
    return {"id": 0, "result": {"protocolVersion": 1, "agentCapabilities": capabilities}}


def opened(given: Assignment | None = None, **options: Any) -> tuple[AcpDialogue, list[AgentEvent]]:
    """A dialogue whose prompt has been sent."""
    talk = AcpDialogue(**options)
    talk.start(given or work())
    return talk, receive(talk, initialized(loadSession=True), {"id": 1, "result": {"sessionId": "s"}})


def update(sort: str, /, **fields: Any) -> dict[str, Any]:
    return {"method": "session/update", "params": {"sessionId": "s", "update": {"sessionUpdate": sort, **fields}}}


def chunk(text: str, **fields: Any) -> dict[str, Any]:
    return update("agent_message_chunk", content={"type": "text", "text": text}, **fields)


def ask(request: object, options: list[str], **call: Any) -> dict[str, Any]:
    offered = [{"optionId": f"id of {kind}", "kind": kind} for kind in options]
    return {
        "id": request,
        "method": "session/request_permission",
        "params": {"sessionId": "s", "toolCall": {"toolCallId": "c", **call}, "options": offered},
    }


def done(stop: str = "end_turn", **fields: Any) -> dict[str, Any]:
    return {"id": 2, "result": {"stopReason": stop, **fields}}


ALWAYS = ["allow_always", "reject_always"]
ONCE = [*ALWAYS, "allow_once", "reject_once"]


@pytest.mark.parametrize(
    ("options", "allowed", "outcome"),
    [
        (ONCE, True, {"outcome": "selected", "optionId": "id of allow_once"}),
        (ONCE, False, {"outcome": "selected", "optionId": "id of reject_once"}),
        (ALWAYS, True, {"outcome": "cancelled"}),
        (ALWAYS, False, {"outcome": "cancelled"}),
        ([], True, {"outcome": "cancelled"}),
    ],
)
def test_an_answer_is_for_this_call_only(options: list[str], allowed: bool, outcome: dict[str, str]) -> None:
    talk, _ = opened()
    asked = receive(talk, ask("r1", options))[-1]
    assert isinstance(asked, Asked)
    said = {"jsonrpc": "2.0", "id": "r1", "result": {"outcome": outcome}}
    assert json.loads(talk.answer(asked, allowed, "")) == said


def test_a_request_is_answered_once() -> None:
    talk, _ = opened()
    asked = receive(talk, ask(7, ONCE))[-1]
    assert isinstance(asked, Asked)
    assert talk.answer(asked, False, "") != b""
    assert talk.answer(asked, True, "") == b""


def test_two_requests_may_wait_at_a_time() -> None:
    talk, _ = opened()
    one, other = (each for each in receive(talk, ask(7, ONCE), ask("7", ONCE)) if isinstance(each, Asked))
    assert [json.loads(talk.answer(each, True, ""))["id"] for each in (other, one)] == ["7", 7]


def test_a_request_after_cancelling_is_answered_at_once() -> None:
    talk, _ = opened()
    talk.cancel()
    events = receive(talk, ask(7, ONCE))
    assert not any(isinstance(event, Asked) for event in events)
    assert sent(events) == [{"jsonrpc": "2.0", "id": 7, "result": {"outcome": {"outcome": "cancelled"}}}]


def test_a_request_cut_off_at_the_limit_of_a_line_is_refused() -> None:
    talk, _ = opened()
    events = list(talk.receive(line({"jsonrpc": "2.0", **ask(7, ONCE, rawInput={"content": "x" * 999})})[:900]))
    assert told(events) == [Unknown("line"), Refused("unknown", "the request is longer than a line may be")]
    assert sent(events) == [{"jsonrpc": "2.0", "id": 7, "result": {"outcome": {"outcome": "cancelled"}}}]


@pytest.mark.parametrize("method", ["fs/read_text_file", "terminal/create", "elicitation/create", "x"])
def test_other_requests_are_refused(method: str) -> None:
    talk, _ = opened()
    events = receive(talk, {"id": 7, "method": method, "params": {}})
    assert told(events) == [Unknown(method)]
    assert sent(events)[0]["error"]["code"] == -32601


def test_diffs_tell_the_path_where_nothing_else_does() -> None:
    talk, _ = opened()
    diff = {"type": "diff", "path": "/workspace/a", "oldText": None, "newText": "x"}
    events = receive(
        talk, ask(1, ONCE, kind="edit", content=[diff]), ask(2, ONCE, toolCallId="d", content=[diff, diff])
    )
    inputs = [event.input for event in events if isinstance(event, Asked)]
    assert inputs == [{"path": "/workspace/a"}, {"paths": ["/workspace/a", "/workspace/a"]}]


def test_a_call_that_says_nothing_of_itself_has_an_empty_input() -> None:
    talk, _ = opened()
    text = {"type": "content", "content": {"type": "text", "text": '{"command": "ls"}'}}
    events = receive(talk, ask(1, ONCE, title="ls", kind="execute", content=[text], rawInput={"cwd": "/"}))
    assert events[-1] == Asked("1", "execute", {})


def test_a_call_is_told_once() -> None:
    talk, _ = opened()
    call = {"toolCallId": "c", "kind": "read", "rawInput": {"path": "a"}}
    events = receive(
        talk,
        update("tool_call", **call, status="pending"),
        update("tool_call_update", **call, status="in_progress"),
        update("tool_call_update", toolCallId="c", status="completed", rawOutput="text"),
        update("tool_call_update", toolCallId="c", status="completed", rawOutput="text"),
    )
    assert events == [ToolCall("read", {"path": "a"}, "c"), ToolResult(True, "text", "c")]


@pytest.mark.parametrize(
    ("fields", "ok"),
    [
        ({"rawOutput": {"metadata": {"exit": 1}}}, False),
        ({"_meta": {"terminal_exit": {"exit_code": 2}}}, False),
        ({"rawOutput": {"metadata": {"exit": None}}}, True),
        ({"rawOutput": {"exitCode": 3}}, False),
    ],
)
def test_a_completed_call_of_a_command_that_failed_is_not_ok(fields: dict[str, Any], ok: bool) -> None:
    talk, _ = opened()
    events = receive(talk, update("tool_call_update", toolCallId="c", status="completed", **fields))
    assert [event.ok for event in events if isinstance(event, ToolResult)] == [ok]


def test_pieces_of_text_are_joined_to_messages() -> None:
    talk, _ = opened()
    events = receive(
        talk,
        chunk("One "),
        update("usage_update", used=1, size=2),
        chunk("two."),
        update("tool_call", toolCallId="c"),
        chunk("\n", messageId="a"),
        chunk("Three.", messageId="b"),
        done(),
    )
    assert [event for event in events if isinstance(event, Text)] == [Text("One two."), Text("Three.")]


def test_a_message_without_end_comes_in_parts() -> None:
    talk, _ = opened()
    events = receive(talk, *[chunk("x" * 1000)] * 40)
    assert sum(len(event.text) for event in events if isinstance(event, Text)) == 34_000


def test_a_half_character_is_replaced() -> None:
    talk, _ = opened()
    assert receive(talk, chunk("a\ud800b"), done())[0] == Text("a?b")


@pytest.mark.parametrize(
    ("stop", "status"),
    [
        ("max_turn_requests", EndStatus.LIMIT_REACHED),
        ("max_tokens", EndStatus.LIMIT_REACHED),
        ("refusal", EndStatus.FAILED),
        ("cancelled", EndStatus.CANCELLED),
        ("a new one", EndStatus.FAILED),
    ],
)
def test_a_turn_may_stop_for_other_reasons(stop: str, status: EndStatus) -> None:
    talk, _ = opened()
    assert receive(talk, chunk("text"), done(stop))[-2] == Ended(status, f"the turn ended: {stop}")


def test_a_last_word_comes_after_the_last_call() -> None:
    talk, _ = opened()
    events = receive(talk, chunk("I begin."), update("tool_call", toolCallId="c"), done())
    assert events[-2] == Ended(EndStatus.FAILED, "the turn ended without a last word (no reason was given)")


def test_a_late_result_takes_no_last_word_away() -> None:
    talk, _ = opened()
    late = update("tool_call_update", toolCallId="c", status="completed")
    events = receive(talk, update("tool_call", toolCallId="c"), chunk("Done."), late, done())
    assert events[-2] == Ended(EndStatus.COMPLETED, "end_turn")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (
            {"code": -32603, "message": "Internal error", "data": {"errorKind": "rate_limit"}},
            EndStatus.PROVIDER_LIMITED,
        ),
        ({"code": -32603, "message": "Internal error: scripted 429"}, EndStatus.PROVIDER_LIMITED),
        ({"code": -32603, "message": "Internal error: scripted 401"}, EndStatus.FAILED),
        ({"code": -32000, "message": "Authentication required"}, EndStatus.FAILED),
        ({"code": -32603, "message": "Reached maximum number of turns (3)"}, EndStatus.LIMIT_REACHED),
        (
            {"code": -32603, "message": "Internal error", "data": {"details": "429 slow down"}},
            EndStatus.PROVIDER_LIMITED,
        ),
        ({"code": 429, "message": "?"}, EndStatus.PROVIDER_LIMITED),
        ({"code": 401, "message": "?"}, EndStatus.FAILED),
        ({"code": -32603}, EndStatus.FAILED),
        ("?", EndStatus.FAILED),
    ],
)
def test_an_error_ends_the_run(error: object, status: EndStatus) -> None:
    talk, _ = opened()
    usage, ended, hangup = receive(talk, {"id": 2, "error": error})
    assert (usage, hangup) == (UNKNOWN, Hangup())
    assert isinstance(ended, Ended)
    assert ended.status is status


def test_a_prompt_is_no_command_of_the_agent() -> None:
    _, events = opened(Assignment(Prompt("/compact", ""), Path("/w"), Path("/h"), Path("/t")))
    assert sent(events)[-1]["params"]["prompt"] == [{"type": "text", "text": "Task: /compact"}]


def test_an_error_before_the_prompt_tells_no_usage() -> None:
    talk = AcpDialogue()
    talk.start(work())
    events = receive(talk, initialized(), {"id": 1, "error": {"code": -32000, "message": "log in"}})
    said = "not authenticated: session/new: log in (error -32000)"
    assert told(events) == [Ended(EndStatus.FAILED, said), Hangup()]


@pytest.mark.parametrize("result", [{"protocolVersion": 2}, {}, None])
def test_another_version_is_not_spoken(result: object) -> None:
    talk = AcpDialogue()
    talk.start(work())
    ended, hangup = receive(talk, {"id": 0, "result": result})
    assert (type(ended), hangup) == (Ended, Hangup())


def test_after_the_end_nothing_counts() -> None:
    talk, _ = opened()
    receive(talk, chunk("Done."), done())
    assert receive(talk, chunk("more"), ask(1, ONCE), done()) == []
    assert (talk.cancel(), tuple(talk.close(0))) == (b"", ())


def test_a_prompt_without_an_answer_has_no_last_word() -> None:
    talk, _ = opened()
    receive(talk, chunk("half a"))
    assert tuple(talk.close(1)) == (Text("half a"),)


# Sessions, modes, usage


@pytest.mark.parametrize(
    ("capabilities", "method"),
    [
        ({"loadSession": True, "sessionCapabilities": {"resume": {}}}, "session/resume"),
        ({"loadSession": True}, "session/load"),
        ({}, "session/new"),
    ],
)
def test_a_session_goes_on_as_far_as_the_agent_can(capabilities: dict[str, Any], method: str) -> None:
    talk = AcpDialogue()
    talk.start(work(session=Session("old", Usage())))
    (request,) = sent(receive(talk, initialized(**capabilities)))
    assert request["method"] == method
    assert request["params"].get("sessionId") == (None if method == "session/new" else "old")


@pytest.mark.parametrize(
    ("current", "method"), [("default", "session/prompt"), ("auto", "session/set_mode"), (None, "session/set_mode")]
)
def test_the_mode_is_demanded_before_the_prompt(current: str | None, method: str) -> None:
    talk = AcpDialogue(mode="default")
    talk.start(work())
    events = receive(talk, initialized(), {"id": 1, "result": {"sessionId": "s", "modes": {"currentModeId": current}}})
    assert sent(events)[-1]["method"] == method


def test_without_the_mode_there_is_no_prompt() -> None:
    talk, _ = opened(mode="default")
    events = receive(talk, {"id": 2, "error": {"code": -32602, "message": "no such mode"}})
    assert events == [Ended(EndStatus.FAILED, "session/set_mode: no such mode (error -32602)"), Hangup()]


def cost(amount: object, currency: str = "USD") -> dict[str, Any]:
    return update("usage_update", used=1, size=2, cost={"amount": amount, "currency": currency})


@pytest.mark.parametrize(
    ("before", "now", "spent"),
    [
        (Decimal("0.00642"), cost(0.01284), Decimal("0.00642")),
        (None, cost(0.01284), None),
        (Decimal(0), cost(0), None),
        (Decimal(1), cost(0.5), None),
        (Decimal(0), cost(1, "EUR"), None),
        (Decimal(0), cost("1"), None),
    ],
)
def test_cost_is_what_a_session_costs_more_than_before(
    before: Decimal | None, now: dict[str, Any], spent: Decimal | None
) -> None:
    talk, _ = opened(work(session=Session("s", Usage(cost=before))))
    assert receive(talk, now, done())[0] == UsageReport(None, None, None, spent)


def test_cost_told_again_with_an_old_session_is_where_this_run_begins() -> None:
    talk = AcpDialogue()
    talk.start(work(session=Session("s", Usage())))
    receive(talk, initialized(loadSession=True), cost(0.25), {"id": 1, "result": None})
    assert receive(talk, cost(0.75), done())[0] == UsageReport(None, None, None, Decimal("0.5"))


def test_a_session_begun_anew_counts_from_nothing() -> None:
    talk = AcpDialogue()
    talk.start(work(session=Session("old", Usage(cost=Decimal(9)))))
    receive(talk, initialized(loadSession=True), {"id": 1, "error": {"code": -32603, "message": "gone"}})
    receive(talk, {"id": 2, "result": {"sessionId": "s"}})
    events = receive(talk, cost(0.5), {"id": 3, "result": {"stopReason": "end_turn"}})
    assert events[0] == UsageReport(None, None, None, Decimal("0.5"))


@pytest.mark.parametrize(
    ("usage", "report"),
    [
        ({"inputTokens": 80, "outputTokens": 5, "cachedReadTokens": 20, "totalTokens": 105}, UsageReport(100, 5, 20)),
        ({"inputTokens": 100, "outputTokens": 5, "cachedReadTokens": 20, "totalTokens": 105}, UsageReport(100, 5, 20)),
        ({"inputTokens": 80, "outputTokens": 5, "cachedReadTokens": 20}, UsageReport(100, 5, 20)),
        ({"inputTokens": 80}, UsageReport(80, None)),
        ({"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}, UNKNOWN),
        ({"inputTokens": True, "outputTokens": -1}, UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_tokens_in_hold_those_of_a_cache(usage: object, report: UsageReport) -> None:
    talk, _ = opened()
    assert receive(talk, done(usage=usage))[0] == report


@pytest.mark.parametrize(("now", "report"), [(150, UsageReport(50, 5)), (30, UsageReport(30, 10))])
def test_tokens_of_a_whole_session_are_told_as_a_difference(now: int, report: UsageReport) -> None:
    talk, _ = opened(work(session=Session("s", Usage(tokens_in=100, tokens_out=5))))
    assert receive(talk, done(usage={"inputTokens": now, "outputTokens": 10}))[0] == report


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
