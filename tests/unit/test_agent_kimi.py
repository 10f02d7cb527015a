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
    Endpoint,
    EndStatus,
    Retry,
    Started,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
    UsageReport,
)
from runner.agents.kimi import CONFIG, PROMPT, KimiAgent
from runner.supervision import Stream
from tests.unit.draw import examine
from tests.unit.exec_agents import WORK, last_word, of, play, recorded_errors, with_session
from tests.unit.mutations import all_recorded, mutated, recorded, write_down

SESSION = "session_a435cf8f-7866-45d0-8aaf-c3baafdf4db9"
LINES = [line for line in all_recorded("kimi-*.jsonl") if b"jsonrpc" not in line]
SAID = st.text(st.characters(exclude_categories=["Cs"]))


def configured(work: Assignment) -> Any:
    return tomllib.loads(KimiAgent().command(work).files[CONFIG].decode())


# What is started


def test_the_prompt_is_no_option() -> None:
    agent: Agent = KimiAgent()
    made = agent.command(replace(WORK, prompt=replace(WORK.prompt, text="--yolo")))
    assert made.argv == ("kimi", "--prompt=--yolo", "--output-format", "stream-json")


def test_a_prompt_that_no_command_line_takes_goes_through_a_file() -> None:
    said = "é" * 60_000
    made = KimiAgent().command(replace(WORK, prompt=replace(WORK.prompt, text=said)))
    assert made.files[PROMPT] == said.encode()
    assert made.argv[1] == "--prompt=Read all of the file /home/.kimi-code/prompt.md and do the task in it."


def test_the_model_is_reached_where_the_run_says() -> None:
    assert KimiAgent().command(WORK).env["KIMI_CODE_HOME"] == "/home/.kimi-code"
    assert configured(WORK) == {
        "telemetry": False,
        "default_model": "orch",
        "providers": {"orch": {"type": "openai", "base_url": "http://127.0.0.1:1/v1", "api_key": "token"}},
        "models": {"orch": {"provider": "orch", "model": "some-model", "max_context_size": 131072}},
    }


@examine
@given(model=SAID, key=SAID)
def test_no_name_and_no_key_breaks_the_configuration(model: str, key: str) -> None:
    told = configured(replace(WORK, model=model, endpoint=Endpoint("http://127.0.0.1:1", key)))
    assert (told["models"]["orch"]["model"], told["providers"]["orch"]["api_key"]) == (model or "default", key)


def test_its_limit_of_steps_is_a_setting() -> None:
    assert configured(replace(WORK, max_turns=7))["loop_control"] == {"max_steps_per_turn": 7}


def test_a_session_is_resumed() -> None:
    work = replace(WORK, session=with_session(SESSION))
    assert KimiAgent().command(work).argv[-2:] == ("--session", SESSION)
    assert play(KimiAgent(), recorded("kimi-ok")[:1], work=work)[0] == Started(SESSION, "some-model")


# What it says


def test_a_run_is_told_and_its_session_at_the_end() -> None:
    call = "call_9bf75fd74a53438b8ff6"
    assert play(KimiAgent(), recorded("kimi-ok")) == [
        Started(None, "some-model"),
        ToolCall("Bash", {"command": "echo hello > hello.txt", "description": "create the file"}, call),
        ToolResult(True, "Command executed successfully.", call),
        Text("Done: hello.txt now says hello."),
        Started(SESSION, "some-model"),
        UsageReport(None, None),
        Ended(EndStatus.COMPLETED, "completed"),
    ]


def test_a_command_that_failed_is_no_good_result() -> None:
    line = b'{"role":"tool","tool_call_id":"c","content":"bad\\nCommand failed with exit code: 3."}'
    assert KimiAgent().parse(line, Stream.STDOUT) == (ToolResult(False, "bad\nCommand failed with exit code: 3.", "c"),)


def test_what_cannot_be_read_of_a_tool_call_is_left_out() -> None:
    line = b'{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"Bash","arguments":"{\\"comm"}}]}'
    assert KimiAgent().parse(line, Stream.STDOUT) == (ToolCall("Bash", {}, "c"),)


def test_a_kind_of_event_that_is_new_is_named() -> None:
    agent = KimiAgent()
    assert agent.parse(b'{"role":"meta","type":"weather"}', Stream.STDOUT) == (Unknown("meta/weather"),)
    assert agent.parse(b'{"role":"weather"}', Stream.STDOUT) == (Unknown("weather"),)


# How it ends


def test_a_limit_of_the_provider_is_told_after_its_retries() -> None:
    events = play(KimiAgent(), recorded("kimi-e429"), 1, stderr=recorded_errors("kimi-e429"))
    assert of(Retry, events) == [Retry(429, 1)] * 9
    assert last_word(events) == Ended(EndStatus.PROVIDER_LIMITED, "429 scripted 429")


@pytest.mark.parametrize(
    ("line", "ended"),
    [
        (
            b"error: failed to run prompt: loop.max_steps_exceeded: Turn exceeded maxSteps=3.",
            Ended(EndStatus.LIMIT_REACHED, "Turn exceeded maxSteps=3."),
        ),
        (
            b"error: failed to run prompt: provider.auth_error: 401 scripted 401",
            Ended(EndStatus.FAILED, "401 scripted 401"),
        ),
    ],
)
def test_standard_error_alone_says_why_it_failed(line: bytes, ended: Ended) -> None:
    assert last_word(play(KimiAgent(), recorded("kimi-ok")[:3], 1, stderr=[line])) == ended


def test_the_old_package_that_only_says_goodbye_is_no_success() -> None:
    events = play(KimiAgent(), [b"This package is no longer maintained."], 0)
    assert last_word(events) == Ended(EndStatus.FAILED, "it ended with exit code 0 before it was done")


def test_a_killed_run_has_no_last_word() -> None:
    assert last_word(play(KimiAgent(), recorded("kimi-ok"), None)) is None


@examine
@given(line=st.binary(max_size=80) | mutated(LINES), stream=st.sampled_from(Stream), code=st.sampled_from([0, 1, None]))
def test_nothing_that_it_prints_does_harm(line: bytes, stream: Stream, code: int | None) -> None:
    agent = KimiAgent()
    write_down(agent.parse(line, stream))
    write_down(agent.close(code))
