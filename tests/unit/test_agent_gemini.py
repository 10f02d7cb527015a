import json
import tomllib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.agents.base import (
    Agent,
    Assignment,
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
from runner.agents.gemini import POLICY, SETTINGS, GeminiAgent
from runner.supervision import Stream
from tests.unit.draw import examine
from tests.unit.exec_agents import WORK, last_word, of, play, with_session
from tests.unit.mutations import all_recorded, mutated, recorded, write_down

CALL = "run_shell_command__run_shell_command_1795160951201_0"
LINES = [line for line in all_recorded("gemini-*.jsonl") if b"jsonrpc" not in line]


def settings(work: Assignment) -> Any:
    return json.loads(GeminiAgent().command(work).files[SETTINGS])


# What is started


def test_the_prompt_goes_over_standard_input() -> None:
    agent: Agent = GeminiAgent()
    made = agent.command(WORK)
    assert made.argv == ("gemini", "-o", "stream-json", "--policy", "/home/.gemini/orch.toml", "-m", "some-model")
    assert made.stdin == b"Fix it.\nPlease."


def test_a_prompt_is_no_command_of_the_cli() -> None:
    made = GeminiAgent().command(replace(WORK, prompt=replace(WORK.prompt, text="/quit and more")))
    assert made.stdin == b"Task: /quit and more"


def test_the_folder_is_not_trusted_so_that_the_repository_steers_nothing() -> None:
    assert GeminiAgent().command(WORK).env["GEMINI_CLI_TRUST_WORKSPACE"] == "false"
    assert settings(WORK)["security"]["folderTrust"] == {"enabled": False}


def test_its_own_policy_allows_every_tool() -> None:
    policy = tomllib.loads(GeminiAgent().command(WORK).files[POLICY].decode())
    assert policy["rule"] == [{"toolName": "*", "decision": "allow", "priority": 999, "allowRedirection": True}]


def test_the_model_is_reached_where_the_run_says() -> None:
    env = GeminiAgent().command(WORK).env
    assert (env["GEMINI_API_KEY"], env["GOOGLE_GEMINI_BASE_URL"]) == ("token", "http://127.0.0.1:1/v1")
    assert settings(WORK)["security"]["auth"] == {"selectedType": "gemini-api-key"}


def test_its_limit_of_turns_is_a_setting() -> None:
    assert settings(replace(WORK, max_turns=7))["model"] == {"maxSessionTurns": 7}
    assert "model" not in settings(WORK)


def test_a_session_is_resumed() -> None:
    assert GeminiAgent().command(replace(WORK, session=with_session("a-b"))).argv[-2:] == ("--resume", "a-b")


def test_node_is_found_beside_the_program() -> None:
    assert GeminiAgent("/opt/node/bin/gemini").command(WORK).env["PATH"].startswith("/opt/node/bin:/usr/local/sbin:")


# What it says


def test_a_run_is_told_from_its_start_to_its_end() -> None:
    command = {"command": "echo hello > hello.txt", "description": "create the file"}
    assert play(GeminiAgent(), recorded("gemini-ok")) == [
        Started("4eafd9f3-30fb-4c36-b3d6-762ba692e116", "auto"),
        ToolCall("run_shell_command", command, CALL),
        ToolResult(True, "", CALL),
        Text("Done: hello.txt now says hello."),
        UsageReport(3000, 150, 600),
        Ended(EndStatus.COMPLETED, "completed"),
    ]


def test_pieces_of_a_sentence_are_joined() -> None:
    pieces = [{"type": "message", "role": "assistant", "content": each, "delta": True} for each in ("Do", "ne.")]
    assert of(Text, play(GeminiAgent(), [json.dumps(each).encode() for each in pieces])) == [Text("Done.")]


def test_a_resumed_run_reports_its_own_usage_alone() -> None:
    work = replace(WORK, session=with_session("a7b601ec-8494-4602-878b-1c27e7983ba5"))
    events = play(GeminiAgent(), recorded("gemini-res2"), work=work)
    assert of(UsageReport, events) == [UsageReport(2000, 100, 400)]


def test_thoughts_are_counted_as_words_of_the_model() -> None:
    model = {"total_tokens": 1057, "input_tokens": 1000, "output_tokens": 50, "cached": 200}
    line = json.dumps({"type": "result", "status": "success", "stats": {"models": {"a": model, "b": model}}}).encode()
    assert of(UsageReport, play(GeminiAgent(), [line])) == [UsageReport(2000, 114, 400)]


def test_a_tool_that_nobody_allows_is_refused() -> None:
    said = 'Tool execution for "Shell" requires user confirmation, which is not supported in non-interactive mode.'
    call = b'{"type":"tool_use","tool_name":"run_shell_command","tool_id":"c","parameters":{}}'
    result = json.dumps({"type": "tool_result", "tool_id": "c", "status": "error", "output": said}).encode()
    events = play(GeminiAgent(), [call, result])
    assert events[1:3] == [Refused("run_shell_command", said), ToolResult(False, said, "c")]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"Attempt 1 failed with status 429. Retrying with backoff... ApiError: {", 429),
        (b"Attempt 1 failed. Retrying with backoff... Error: fetch failed", None),
    ],
)
def test_retries_are_on_standard_error_alone(line: bytes, status: int | None) -> None:
    assert GeminiAgent().parse(line, Stream.STDERR) == (Retry(status),)


# How it ends


def test_exit_code_145_is_a_401() -> None:
    events = play(GeminiAgent(), recorded("gemini-e401"), 145)
    ended = last_word(events)
    assert ended is not None
    assert (ended.status, '"code":401' in ended.reason) == (EndStatus.FAILED, True)
    assert last_word(play(GeminiAgent(), [], 145)) == Ended(
        EndStatus.FAILED, "the provider answered 401: its key is wrong (exit code 145)"
    )


def test_exit_code_53_is_its_limit_of_turns_whatever_the_result_says() -> None:
    limit = Ended(EndStatus.LIMIT_REACHED, "it reached its limit of turns")
    assert last_word(play(GeminiAgent(), recorded("gemini-turns"), 53)) == limit
    assert play(GeminiAgent(), recorded("gemini-turns")[:-1], 53)[-2:] == [UsageReport(None, None), limit]


def test_exit_code_0_without_a_result_is_no_success() -> None:
    events = play(GeminiAgent(), recorded("gemini-ok")[:-1], 0)
    assert last_word(events) == Ended(EndStatus.FAILED, "it ended without a result")


def test_a_result_does_not_outweigh_an_exit_code() -> None:
    events = play(GeminiAgent(), recorded("gemini-ok"), 1, stderr=[b"it broke"])
    assert last_word(events) == Ended(EndStatus.FAILED, "it broke (exit code 1)")


def test_a_limit_of_the_provider_is_told_apart() -> None:
    line = b'{"type":"result","status":"error","error":{"message":"[API Error: RESOURCE_EXHAUSTED]"},"stats":{}}'
    assert last_word(play(GeminiAgent(), [line], 1)) == Ended(
        EndStatus.PROVIDER_LIMITED, "[API Error: RESOURCE_EXHAUSTED]"
    )


def test_a_kind_of_event_that_is_new_is_named() -> None:
    assert list(GeminiAgent().parse(b'{"type":"thought"}', Stream.STDOUT)) == [Unknown("thought")]


@examine
@given(
    line=st.binary(max_size=80) | mutated(LINES), stream=st.sampled_from(Stream), code=st.sampled_from([0, 53, None])
)
def test_nothing_that_it_prints_does_harm(line: bytes, stream: Stream, code: int | None) -> None:
    agent = GeminiAgent()
    write_down(agent.parse(line, stream))
    write_down(agent.close(code))
