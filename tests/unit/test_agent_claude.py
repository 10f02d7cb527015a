import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.outcomes import Usage
from runner.agents.base import (
    Agent,
    AgentEvent,
    Asked,
    Assignment,
    Ended,
    Endpoint,
    EndStatus,
    Hangup,
    Heard,
    Lane,
    Limited,
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
from runner.agents.claude import ClaudeAgent
from runner.supervision import Stream
from tests.unit.mutations import all_recorded, mutated, recorded, write_down

WRITE = {"command": "echo hello > hello.txt", "description": "create the file"}
TWO_CALLS = UsageReport(2400, 100, 400, Decimal("0.01008"))
WORK = Assignment(
    Prompt("Fix it.\nPlease.", "Please."),
    Path("/room"),
    Path("/home"),
    Path("/tmp"),
    endpoint=Endpoint("http://127.0.0.1:1/anthropic", "token"),
)


def told(name: str, work: Assignment = WORK) -> list[AgentEvent]:
    agent = ClaudeAgent()
    agent.command(work)
    return [event for line in recorded(f"claude-{name}") for event in agent.parse(line, Stream.STDOUT)]


def of(kind: type[AgentEvent], events: list[AgentEvent]) -> list[AgentEvent]:
    return [event for event in events if isinstance(event, kind)]


def last_word(name: str) -> AgentEvent:
    return of(Ended, told(name))[-1]


def resumed(usage: Usage) -> Assignment:
    return replace(WORK, session=Session("2e04b86a-4c5b-4218-91e3-50b4c456513d", usage))


# What is started


def test_it_is_let_go_inside_the_sandbox_and_not_steered_by_the_repository() -> None:
    agent: Agent = ClaudeAgent("/opt/claude")
    made = agent.command(WORK)
    assert made.argv == (
        "/opt/claude",
        *("-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"),
        *("--setting-sources", "user", "--strict-mcp-config"),
        *(
            "--disallowedTools",
            "AskUserQuestion,CronCreate,EnterPlanMode,EnterWorktree,Monitor,ScheduleWakeup,Workflow",
        ),
        *("--permission-mode", "bypassPermissions"),
    )


def test_its_environment_holds_the_endpoint_and_nothing_of_the_runner() -> None:
    assert ClaudeAgent().command(WORK).env == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/home",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
        "CLAUDE_CODE_MAX_RETRIES": "3",
        "IS_SANDBOX": "1",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:1/anthropic",
        "ANTHROPIC_API_KEY": "token",
    }


def test_wishes_become_options() -> None:
    work = replace(WORK, model="claude-opus-5-5", max_turns=7, max_cost=Decimal("1.50"), session=Session("abc"))
    options = ClaudeAgent().command(work).argv[-8:]
    assert options == ("--model", "claude-opus-5-5", "--resume", "abc", "--max-turns", "7", "--max-budget-usd", "1.50")


def test_the_prompt_is_its_first_message() -> None:
    made = ClaudeAgent().command(WORK)
    assert made.talks
    assert json.loads(made.stdin or b"") == {
        "type": "user",
        "message": {"role": "user", "content": "Fix it.\nPlease."},
    }


def test_a_prompt_that_begins_like_a_command_of_the_cli_is_none() -> None:
    work = replace(WORK, prompt=Prompt("/context is wrong", ""))
    said = json.loads(ClaudeAgent().command(work).stdin or b"")
    assert said["message"]["content"] == "\n/context is wrong"


def test_the_gated_lane_asks_for_reading_too() -> None:
    argv = ClaudeAgent().command(replace(WORK, lane=Lane.GATED)).argv
    settings = json.loads(argv[argv.index("--settings") + 1])
    assert argv[argv.index("--permission-prompt-tool") + 1] == "stdio"
    assert {"Bash", "Read", "Edit", "Write", "WebFetch"} <= set(settings["permissions"]["ask"])
    assert "bypassPermissions" not in argv


def test_the_gated_lane_does_not_say_that_all_may_be_done() -> None:
    assert "IS_SANDBOX" not in ClaudeAgent().command(replace(WORK, lane=Lane.GATED)).env


# What it says


def test_a_run_from_beginning_to_end() -> None:
    call = "toolu_1ce96456ae2146648d9d"
    assert told("ok") == [
        Started("ad75cd2c-7137-4989-8240-1909e1a2b679", "claude-opus-4-8[1m]"),
        ToolCall("Bash", WRITE, call),
        ToolResult(True, "(Bash completed with no output)", call),
        Text("Done: hello.txt now says hello."),
        UsageReport(2400, 100, 400, Decimal("0.0127")),
        Ended(EndStatus.COMPLETED, "completed"),
        Hangup(),
    ]


def test_an_exhausted_rate_limit_is_no_success_though_its_subtype_says_so() -> None:
    assert last_word("e429") == Ended(EndStatus.PROVIDER_LIMITED, "API Error: Request rejected (429) · scripted 429")


def test_an_overloaded_provider_is_a_limited_one() -> None:
    line = recorded("claude-e500")[-1].replace(b'"api_error_status":500', b'"api_error_status":529')
    ended = next(event for event in ClaudeAgent().parse(line, Stream.STDOUT) if isinstance(event, Ended))
    assert ended.status is EndStatus.PROVIDER_LIMITED


def test_a_limit_told_without_a_status_is_known_by_its_kind() -> None:
    agent = ClaudeAgent()
    lines = [line.replace(b'"api_error_status":429', b'"api_error_status":null') for line in recorded("claude-e429")]
    events = [event for line in lines for event in agent.parse(line, Stream.STDOUT)]
    assert [event.status for event in events if isinstance(event, Ended)] == [EndStatus.PROVIDER_LIMITED]


@pytest.mark.parametrize(
    ("name", "ended"),
    [
        ("e401", Ended(EndStatus.FAILED, "Failed to authenticate. API Error: 401 scripted 401")),
        ("maxturns", Ended(EndStatus.LIMIT_REACHED, "Reached maximum number of turns (3)")),
        ("budget", Ended(EndStatus.BUDGET_SPENT, "Reached maximum budget ($0.02)")),
        ("sigINT", Ended(EndStatus.CANCELLED, "it was interrupted")),
        ("interrupted", Ended(EndStatus.CANCELLED, "it was interrupted")),
    ],
)
def test_an_end_that_is_none_of_success(name: str, ended: Ended) -> None:
    assert last_word(name) == ended


def test_a_server_error_is_a_failure_with_its_reason() -> None:
    ended = last_word("e500")
    assert isinstance(ended, Ended)
    assert (ended.status, ended.reason[:29]) == (EndStatus.FAILED, "API Error: 500 scripted 500. ")


def test_retries_are_told_with_status_and_delay() -> None:
    assert of(Retry, told("e429")) == [Retry(429, 1.193), Retry(429, 1.208)]


def test_an_error_of_the_provider_is_not_said_by_the_model() -> None:
    assert of(Text, told("e429")) == []


def test_a_refusal_is_told_once_and_is_no_failure() -> None:
    events = told("default")
    refusals = of(Refused, events)
    assert len(refusals) == 1
    assert str(refusals[0]).startswith("Refused(tool='Bash', reason=\"Output redirection to '/workspace/hello.txt'")
    assert of(Ended, events) == [Ended(EndStatus.COMPLETED, "completed")]


def test_a_refusal_that_only_the_result_tells_of_is_told() -> None:
    assert of(Refused, told("stdio-deny")) == [Refused("Bash")]


def test_killed_before_its_last_word_it_says_none() -> None:
    assert of(Ended, told("sigTERM")) == []
    assert list(ClaudeAgent().close(None)) == []


def test_an_exit_without_a_result_is_explained_by_what_it_printed_as_an_error() -> None:
    agent = ClaudeAgent()
    assert list(agent.parse(b"unknown option '--frob'", Stream.STDERR)) == [Unknown("stderr")]
    assert list(agent.close(1)) == [Ended(EndStatus.FAILED, "unknown option '--frob'")]


def test_an_exit_code_after_the_result_adds_nothing() -> None:
    agent = ClaudeAgent()
    for line in recorded("claude-e401"):
        agent.parse(line, Stream.STDOUT)
    assert list(agent.close(1)) == []


def test_an_exit_without_any_word_is_not_called_a_success() -> None:
    assert list(ClaudeAgent().close(0)) == []


# What it used


def test_a_call_that_was_cut_off_is_counted() -> None:
    assert of(UsageReport, told("interrupted")) == [UsageReport(1200, 4, 200, Decimal("0.00412"))]


def test_the_call_that_broke_the_budget_is_counted() -> None:
    assert of(UsageReport, told("budget")) == [UsageReport(4800, 200, 800, Decimal("0.02016"))]


def test_a_resumed_run_reports_only_its_own() -> None:
    own = UsageReport(1200, 50, 200, Decimal("0.00504"))
    assert of(UsageReport, told("res1")) == [own]
    assert of(UsageReport, told("res2", resumed(Usage(cost=Decimal("0.00504"))))) == [own]


def without_models(name: str) -> bytes:
    """A result as versions before 2.1.300 or so print it."""
    said: dict[str, Any] = json.loads(recorded(f"claude-{name}")[-1])
    del said["model_usage_since_last_result"]
    return json.dumps(said).encode()


@pytest.mark.parametrize(
    ("before", "cost"),
    [(Decimal("0.00504"), Decimal("0.00504")), (None, None), (Decimal(1), Decimal("0.01008"))],
    ids=["a growing total", "unknown before", "a total that began anew"],
)
def test_an_older_version_tells_the_cost_of_the_whole_session(before: Decimal | None, cost: Decimal | None) -> None:
    agent = ClaudeAgent()
    agent.command(resumed(Usage(cost=before)))
    reports = of(UsageReport, list(agent.parse(without_models("res2"), Stream.STDOUT)))
    assert reports == [UsageReport(1200, 50, 200, cost)]


def test_what_is_not_told_is_unknown() -> None:
    line = b'{"type":"result","subtype":"success","is_error":false}'
    assert of(UsageReport, list(ClaudeAgent().parse(line, Stream.STDOUT))) == [UsageReport(None, None, None, None)]


# What it asks


def asking() -> tuple[ClaudeAgent, Asked]:
    agent = ClaudeAgent()
    agent.command(replace(WORK, lane=Lane.GATED))
    for line in recorded("claude-stdio-deny"):
        for event in agent.parse(line, Stream.STDOUT):
            if isinstance(event, Asked):
                return agent, event
    raise AssertionError("it asked nothing")


def test_a_call_is_asked_for() -> None:
    assert asking()[1] == Asked("a3d2d8df-2fcb-453a-8d61-49c8a26ca00c", "Bash", WRITE)


def test_leave_names_the_call_as_it_was_asked_for() -> None:
    agent, asked = asking()
    assert json.loads(agent.answer(asked, True, "")) == {
        "type": "control_response",
        "response": {
            "subtype": "success",
            "request_id": asked.id,
            "response": {"behavior": "allow", "updatedInput": WRITE},
        },
    }


def test_a_refusal_tells_the_model_why_and_is_not_told_again_at_the_end() -> None:
    agent, asked = asking()
    said = json.loads(agent.answer(asked, False, "writing is not allowed"))
    assert said["response"]["response"] == {"behavior": "deny", "message": "writing is not allowed"}
    assert of(Refused, list(agent.parse(recorded("claude-stdio-deny")[-1], Stream.STDOUT))) == []


def test_a_request_that_nobody_can_answer_is_refused_at_once() -> None:
    line = b'{"type":"control_request","request_id":"7","request":{"subtype":"elicitation"}}'
    sent, unknown = ClaudeAgent().parse(line, Stream.STDOUT)
    assert isinstance(sent, Send)
    assert json.loads(sent.data)["response"] == {"subtype": "error", "request_id": "7", "error": "not supported"}
    assert unknown == Unknown("control_request/elicitation")


def test_a_question_too_long_to_be_read_is_refused() -> None:
    line = b'{"type":"control_request","request_id":"7-a","request":{"subtype":"can_use_tool","tool_name":"Write","in'
    sent, refused = ClaudeAgent().parse(line, Stream.STDOUT)
    assert isinstance(sent, Send)
    assert json.loads(sent.data)["response"]["request_id"] == "7-a"
    assert json.loads(sent.data)["response"]["response"]["behavior"] == "deny"
    assert refused == Refused("Write", "the request was too long to be read")


def test_it_is_interrupted_by_a_message() -> None:
    assert json.loads(ClaudeAgent().cancel()) == {
        "type": "control_request",
        "request_id": "interrupt",
        "request": {"subtype": "interrupt"},
    }


# What nobody expects


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"type":"novelty"}', "novelty"),
        (b'{"type":"system","subtype":"task_started"}', "system/task_started"),
        (b'{"type":7}', "unreadable"),
        (b"{}", "unreadable"),
        (b'{"type":"assist', "unreadable"),
        (b"[1]", "unreadable"),
        (b"\xff", "unreadable"),
    ],
)
def test_what_it_does_not_know_is_named(line: bytes, kind: str) -> None:
    assert list(ClaudeAgent().parse(line, Stream.STDOUT)) == [Unknown(kind)]


@given(st.binary(max_size=300), st.sampled_from(Stream))
def test_no_bytes_raise(line: bytes, stream: Stream) -> None:
    list(ClaudeAgent().parse(line, stream))


@given(mutated(all_recorded("claude-*.jsonl")), st.booleans())
def test_no_recorded_line_with_something_else_in_it_raises(line: bytes, allowed: bool) -> None:
    agent = ClaudeAgent()
    for asked in write_down(agent.parse(line, Stream.STDOUT)):
        agent.answer(asked, allowed, "because")


# What it is told while it works


def talking() -> tuple[ClaudeAgent, str]:
    """Return an agent that was told one thing, and the name under which it was."""
    agent = ClaudeAgent()
    agent.command(WORK)
    said = json.loads(agent.steer("c1", "/help me"))
    assert said["message"] == {"role": "user", "content": "\n/help me"}
    return agent, said["uuid"]


def progress(name: str, state: str) -> bytes:
    return json.dumps({"type": "command_lifecycle", "command_uuid": name, "state": state}).encode()


def test_it_has_heard_what_it_begins_with() -> None:
    agent, name = talking()
    told = [list(agent.parse(progress(name, state), Stream.STDOUT)) for state in ("queued", "started", "completed")]
    assert told == [[], [Heard("c1")], []]
    assert list(agent.parse(progress("other", "started"), Stream.STDOUT)) == []


def test_a_result_is_not_the_end_of_a_talk_in_which_something_was_not_heard() -> None:
    agent, name = talking()
    result = recorded("claude-ok")[-1]
    assert of(Hangup, list(agent.parse(result, Stream.STDOUT))) == []
    agent.parse(progress(name, "started"), Stream.STDOUT)
    assert of(Hangup, list(agent.parse(result, Stream.STDOUT))) == [Hangup()]
    assert agent.steer("c2", "More.") == b""


def test_a_failure_is_the_end_of_a_talk_whatever_was_not_heard() -> None:
    agent, _ = talking()
    line = b'{"type":"result","subtype":"error_during_execution","is_error":true}'
    assert of(Hangup, list(agent.parse(line, Stream.STDOUT))) == [Hangup()]


def test_a_further_turn_that_breaks_off_is_no_success() -> None:
    agent, _ = talking()
    agent.parse(recorded("claude-ok")[-1], Stream.STDOUT)
    agent.parse(b'{"type":"system","subtype":"init"}', Stream.STDOUT)
    assert list(agent.close(1)) == [Ended(EndStatus.FAILED, "it ended with exit code 1 and no result")]


@pytest.mark.parametrize(
    ("info", "events"),
    [
        ({"status": "rejected", "resetsAt": 1771390800, "rateLimitType": "five_hour"}, (Limited(1771390800),)),
        ({"status": "allowed_warning", "resetsAt": 1771390800}, ()),
        ({"status": "rejected"}, ()),
    ],
)
def test_a_limit_that_is_reached_is_told_with_its_end(info: dict[str, Any], events: tuple[AgentEvent, ...]) -> None:
    line = json.dumps({"type": "rate_limit_event", "rate_limit_info": info}).encode()
    assert tuple(ClaudeAgent().parse(line, Stream.STDOUT)) == events
