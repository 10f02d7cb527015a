import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.agents.base import (
    Agent,
    Ended,
    EndStatus,
    Refused,
    Started,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
    UsageReport,
)
from runner.agents.opencode import OpencodeAgent
from runner.supervision import Stream
from tests.unit.draw import examine
from tests.unit.exec_agents import WORK, last_word, of, play, with_session
from tests.unit.mutations import all_recorded, mutated, recorded, write_down

WRITE = {"command": "echo hello > hello.txt"}
STEP = UsageReport(1000, 50, 200, Decimal("0.00321"))
LINES = [line for line in all_recorded("opencode-*.jsonl") if b"jsonrpc" not in line]


def configured(content: dict[str, Any]) -> Any:
    return json.loads(content["OPENCODE_CONFIG_CONTENT"])


# What is started


def test_the_prompt_goes_over_standard_input() -> None:
    agent: Agent = OpencodeAgent("/opt/opencode")
    made = agent.command(replace(WORK, prompt=replace(WORK.prompt, text="--help")))
    assert made.argv == ("/opt/opencode", "run", "--format", "json", "-m", "orch/some-model")
    assert (made.stdin, made.talks) == (b"--help", False)


def test_the_repository_steers_nothing_but_by_its_instructions() -> None:
    env = dict(OpencodeAgent().command(WORK).env)
    assert (env["OPENCODE_DISABLE_PROJECT_CONFIG"], env["OPENCODE_DISABLE_EXTERNAL_SKILLS"]) == ("1", "1")
    assert configured(env)["instructions"] == ["/room/AGENTS.md"]


def test_no_tool_is_asked_for_as_a_question_would_end_the_run() -> None:
    assert configured(dict(OpencodeAgent().command(WORK).env))["permission"] == {"*": "allow"}


def test_the_model_is_reached_where_the_run_says() -> None:
    env = dict(OpencodeAgent().command(WORK).env)
    assert (env["OPENAI_API_KEY"], env["HOME"], env["TMPDIR"]) == ("token", "/home", "/tmp")
    assert configured(env)["enabled_providers"] == ["orch"]
    assert configured(env)["small_model"] == "orch/some-model"
    assert configured(env)["provider"]["orch"]["options"] == {
        "baseURL": "http://127.0.0.1:1/v1",
        "apiKey": "{env:OPENAI_API_KEY}",
    }


def test_without_an_endpoint_the_model_is_as_opencode_names_it() -> None:
    made = OpencodeAgent().command(replace(WORK, endpoint=None, model="provider/model"))
    assert made.argv[-2:] == ("-m", "provider/model")
    assert "provider" not in configured(dict(made.env))


def test_it_is_told_that_it_has_what_it_would_fetch_from_npm() -> None:
    lock = json.loads(OpencodeAgent().command(WORK).files[".config/opencode/package-lock.json"])
    assert lock["packages"][""]["dependencies"] == {"@opencode-ai/plugin": "*"}


def test_a_session_is_resumed() -> None:
    made = OpencodeAgent().command(replace(WORK, session=with_session("ses_1")))
    assert made.argv[-2:] == ("--session", "ses_1")


# What it says


def test_a_run_is_told_step_by_step() -> None:
    assert play(OpencodeAgent(), recorded("opencode-ok")) == [
        Started("ses_e0816674bffeCIqwHmB9xmSl2D", "some-model"),
        ToolCall("bash", WRITE, "call_6f14d9055d6546cb863d"),
        ToolResult(True, "(no output)", "call_6f14d9055d6546cb863d"),
        STEP,
        Text("Done: hello.txt now says hello."),
        STEP,
        Ended(EndStatus.COMPLETED, "completed"),
    ]


def test_a_resumed_run_reports_its_own_usage_alone() -> None:
    work = replace(WORK, session=with_session("ses_e0813953dffevQVVj0kpV1GTfx"))
    assert of(UsageReport, play(OpencodeAgent(), recorded("opencode-res2"), work=work)) == [STEP]


def test_a_cost_of_nothing_is_a_price_that_is_not_known() -> None:
    line = b'{"type":"step_finish","part":{"reason":"stop","cost":0,"tokens":{"input":1,"output":2,"reasoning":3}}}'
    assert OpencodeAgent().parse(line, Stream.STDOUT) == (UsageReport(None, 5),)


def test_a_command_that_failed_is_no_good_result() -> None:
    state = {"status": "completed", "output": "bad", "metadata": {"exit": 3}}
    line = json.dumps({"type": "tool_use", "part": {"tool": "bash", "callID": "c", "state": state}}).encode()
    assert OpencodeAgent().parse(line, Stream.STDOUT) == (ToolCall("bash", {}, "c"), ToolResult(False, "bad", "c"))


def test_a_kind_of_event_that_is_new_is_named() -> None:
    assert OpencodeAgent().parse(b'{"type":"step_paused"}', Stream.STDOUT) == (Unknown("step_paused"),)


# How it ends


def test_a_refused_tool_ends_the_run_with_exit_code_0_and_no_success() -> None:
    events = play(OpencodeAgent(), recorded("opencode-ask"))
    said = "The user rejected permission to use this specific tool call."
    assert of(Refused, events) == [Refused("bash", said)]
    assert last_word(events) == Ended(EndStatus.FAILED, "it stopped when it was refused the tool bash")


def test_a_run_that_ends_between_two_steps_is_not_done() -> None:
    events = play(OpencodeAgent(), recorded("opencode-steps"))
    why = "it stopped in the middle: its last step ended with `tool-calls`"
    assert last_word(events) == Ended(EndStatus.FAILED, why)


def test_only_the_last_step_counts() -> None:
    events = play(OpencodeAgent(), [*recorded("opencode-ok"), *recorded("opencode-steps")])
    ended = last_word(events)
    assert ended is not None
    assert ended.status is EndStatus.FAILED


@pytest.mark.parametrize(
    ("name", "ended"),
    [
        ("opencode-e401", Ended(EndStatus.FAILED, "scripted 401")),
        ("opencode-e429", Ended(EndStatus.PROVIDER_LIMITED, "scripted 429")),
    ],
)
def test_an_error_of_the_provider_is_told(name: str, ended: Ended) -> None:
    assert last_word(play(OpencodeAgent(), recorded(name), 1)) == ended


def test_an_error_after_the_last_step_counts() -> None:
    events = play(OpencodeAgent(), [*recorded("opencode-ok"), *recorded("opencode-e429")])
    assert last_word(events) == Ended(EndStatus.PROVIDER_LIMITED, "scripted 429")


def test_without_a_word_standard_error_says_why() -> None:
    events = play(OpencodeAgent(), [], 1, stderr=[b"\x1b[91mError: \x1b[0mno such session", b""])
    assert last_word(events) == Ended(EndStatus.FAILED, "Error: no such session")


def test_an_exit_without_a_step_is_no_success() -> None:
    assert last_word(play(OpencodeAgent(), [])) == Ended(
        EndStatus.FAILED, "it stopped in the middle: it finished no step"
    )


def test_a_killed_run_has_no_last_word() -> None:
    assert last_word(play(OpencodeAgent(), recorded("opencode-ok"), None)) is None


@examine
@given(line=st.binary(max_size=80) | mutated(LINES), stream=st.sampled_from(Stream), code=st.sampled_from([0, 1, None]))
def test_nothing_that_it_prints_does_harm(line: bytes, stream: Stream, code: int | None) -> None:
    agent = OpencodeAgent()
    write_down(agent.parse(line, stream))
    write_down(agent.close(code))


def test_its_home_is_where_it_writes() -> None:
    assert all(not Path(each).is_absolute() for each in OpencodeAgent.traits.writes)
