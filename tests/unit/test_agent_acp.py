import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.domain.outcomes import Usage
from runner.agents.acp import AcpDialogue
from runner.agents.base import (
    Asked,
    Assignment,
    Ended,
    EndStatus,
    Hangup,
    Prompt,
    Refused,
    Session,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
    UsageReport,
)
from tests.unit.acp_talk import UNKNOWN, ask, chunk, done, initialized, line, opened, receive, sent, told, update, work

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
