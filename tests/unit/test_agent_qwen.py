import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.outcomes import Usage
from runner.agents.base import (
    Agent,
    Ended,
    EndStatus,
    Refused,
    Retry,
    Started,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
    UsageReport,
)
from runner.agents.qwen import QwenAgent
from runner.supervision import Stream
from tests.unit.draw import examine
from tests.unit.exec_agents import WORK, last_word, of, play, recorded_errors, with_session
from tests.unit.mutations import all_recorded, mutated, recorded, write_down

CALL = UsageReport(1000, 50, 200)
LINES = [line for line in all_recorded("qwen-*.jsonl") if b"jsonrpc" not in line]


def result(tokens_in: int, **more: object) -> bytes:
    usage = {"input_tokens": tokens_in, "output_tokens": 0, "cache_read_input_tokens": 0}
    return json.dumps({"type": "result", "subtype": "success", "is_error": False, "usage": usage} | more).encode()


# What is started


def test_it_is_let_go_and_the_repository_steers_nothing() -> None:
    agent: Agent = QwenAgent()
    made = agent.command(replace(WORK, max_turns=7))
    assert made.argv == (
        *("qwen", "--auth-type", "openai", "-o", "stream-json", "--approval-mode", "yolo", "--bare"),
        *("-m", "some-model", "--max-session-turns", "7"),
    )
    assert made.stdin == b"Fix it.\nPlease."


def test_the_model_is_reached_where_the_run_says() -> None:
    env = QwenAgent().command(WORK).env
    assert [env[f"OPENAI_{each}"] for each in ("API_KEY", "BASE_URL", "MODEL")] == [
        "token",
        "http://127.0.0.1:1/v1",
        "some-model",
    ]


def test_a_session_is_resumed() -> None:
    assert QwenAgent().command(replace(WORK, session=with_session("a-b"))).argv[-2:] == ("--resume", "a-b")


# What it says


def test_a_run_is_told_from_its_start_to_its_end() -> None:
    events = play(QwenAgent(), recorded("qwen-ok"))
    call = "call_21a256bfbb87445ab1eb"
    assert events[:3] == [
        Started("a80f7cc9-032f-4c03-9330-a34cbd8f1ac8", "mock-model"),
        ToolCall("run_shell_command", {"command": "echo hello > hello.txt", "description": "create the file"}, call),
        CALL,
    ]
    assert isinstance(events[3], ToolResult)
    assert (events[3].ok, events[3].id) == (True, call)
    assert events[4:] == [
        Text("Done: hello.txt now says hello."),
        CALL,
        Ended(EndStatus.COMPLETED, "completed"),
    ]


def test_a_retry_tells_how_long_it_waits() -> None:
    assert of(Retry, play(QwenAgent(), recorded("qwen-e429"), None)) == [Retry(None, 60)]


def test_a_call_that_no_message_told_of_is_in_the_result() -> None:
    assert of(UsageReport, play(QwenAgent(), recorded("qwen-res1"))) == [CALL, CALL]


def test_a_resumed_run_reports_the_difference_to_the_runs_before() -> None:
    before = Usage(tokens_in=2000, tokens_out=100, tokens_cached=400)
    work = replace(WORK, session=with_session("2d80ec31", before))
    assert of(UsageReport, play(QwenAgent(), recorded("qwen-res2"), work=work)) == [CALL, CALL]


def test_of_a_session_without_known_usage_only_the_messages_count() -> None:
    work = replace(WORK, session=with_session("2d80ec31"))
    assert of(UsageReport, play(QwenAgent(), recorded("qwen-res2"), work=work)) == [CALL]
    assert of(UsageReport, play(QwenAgent(), [result(4000)], work=work)) == [UsageReport(None, None)]


def test_figures_below_those_of_the_runs_before_are_this_run_s_own() -> None:
    work = replace(WORK, session=with_session("s", Usage(tokens_in=500, tokens_out=0, tokens_cached=0)))
    assert of(UsageReport, play(QwenAgent(), [result(100)], work=work)) == [UsageReport(100, 0, 0)]


def test_a_message_in_two_parts_is_counted_once() -> None:
    line = recorded("qwen-ok")[2]
    assert of(UsageReport, play(QwenAgent(), [line, line])) == [CALL]


def test_usage_that_nobody_told_is_unknown() -> None:
    assert play(QwenAgent(), [], 1)[0] == UsageReport(None, None)


def test_refused_tools_are_named() -> None:
    events = play(QwenAgent(), [result(1, permission_denials=[{"tool_name": "edit"}])])
    assert of(Refused, events) == [Refused("edit")]


# How it ends


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        (
            "qwen-turns",
            53,
            "Reached max session turns for this session. Increase the number of turns by specifying maxSessionTurns in "
            "settings.json.",
        ),
        ("qwen-tc", 55, "Run aborted: tool-call budget of 3 exceeded (--max-tool-calls); observed 4."),
    ],
)
def test_a_limit_has_no_result_and_is_known_by_its_exit_code(name: str, code: int, reason: str) -> None:
    events = play(QwenAgent(), recorded(name), code, stderr=recorded_errors(name))
    assert last_word(events) == Ended(EndStatus.LIMIT_REACHED, reason)
    assert of(UsageReport, events) == [CALL] * {53: 3, 55: 4}[code]


def test_a_401_is_an_error_in_the_result() -> None:
    events = play(QwenAgent(), recorded("qwen-e401"), 1)
    assert events[-1] == Ended(EndStatus.FAILED, "[API Error: 401 scripted 401]")


def test_a_limit_of_the_provider_is_told_apart() -> None:
    line = result(0, is_error=True, error={"message": "[API Error: 429 scripted 429]"})
    assert last_word(play(QwenAgent(), [line], 1)) == Ended(EndStatus.PROVIDER_LIMITED, "[API Error: 429 scripted 429]")


def test_no_result_is_no_success() -> None:
    assert last_word(play(QwenAgent(), recorded("qwen-ok")[:-1], 0)) is None


def test_a_result_does_not_outweigh_an_exit_code() -> None:
    events = play(QwenAgent(), recorded("qwen-ok"), 1, stderr=[b"it broke"])
    assert last_word(events) == Ended(EndStatus.FAILED, "it broke")


def test_a_kind_of_event_that_is_new_is_named() -> None:
    agent = QwenAgent()
    assert agent.parse(b'{"type":"system","subtype":"weather"}', Stream.STDOUT) == (Unknown("system/weather"),)
    assert agent.parse(b'{"type":"weather"}', Stream.STDOUT) == (Unknown("weather"),)


@examine
@given(
    lines=st.lists(st.binary(max_size=80) | mutated(LINES), min_size=1, max_size=4),
    stream=st.sampled_from(Stream),
    code=st.sampled_from([0, 55, None]),
)
def test_nothing_that_it_prints_does_harm(lines: list[bytes], stream: Stream, code: int | None) -> None:
    agent = QwenAgent()
    for line in lines:
        write_down(agent.parse(line, stream))
    write_down(agent.close(code))
