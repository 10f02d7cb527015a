"""The `mini` agent: its real driver under the real supervisor, against the scripted model server."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from runner.agents import mini_driver
from runner.agents.base import (
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
    Wire,
)
from runner.agents.mini import MiniAgent
from runner.supervision import ExitReason, supervise
from tests.integration.mini_stage import (
    KEY,
    QUICK,
    Stage,
    await_marked,
    marked,
    mini_stage,
    result,
    without_ids,
)
from tests.model.script import DONE, Scenario, Shell, Turn

ROOT = str(Path(mini_driver.__file__).resolve().parents[2])
WIRES = (Wire.OPENAI_CHAT, Wire.ANTHROPIC)
every_wire = pytest.mark.parametrize("wire", WIRES)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with mini_stage(tmp_path) as made:
        yield made


@pytest.fixture
def mark() -> Iterator[str]:
    """A name for the processes of one test; none of them may be left after it."""
    word = f"mark-{secrets.token_hex(8)}"
    yield word
    left = marked(word)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert left == []


# The way of a run


@pytest.mark.parametrize(("wire", "tokens_in"), [(Wire.OPENAI_CHAT, 1000), (Wire.ANTHROPIC, 1200)])
async def test_it_works_until_the_model_is_done(stage: Stage, wire: Wire, tokens_in: int) -> None:
    events, ended = await stage.run("ok", wire)
    used = UsageReport(tokens_in, 50, 200)
    assert without_ids(events) == [
        Started(None, "mock"),
        used,
        ToolCall("shell", {"command": "echo hello > hello.txt"}),
        ToolResult(True, "exit code 0\n"),
        used,
        Text(DONE),
        Ended(EndStatus.COMPLETED, "completed"),
    ]
    assert (ended.reason, ended.code, ended.survivors) == (ExitReason.EXITED, 0, 0)
    assert (stage.tree / "hello.txt").read_text() == "hello\n"


@every_wire
async def test_it_writes_files(stage: Stage, wire: Wire) -> None:
    events, _ = await stage.run("write", wire)
    assert result(events).output == "created hello.txt"
    assert (stage.tree / "hello.txt").read_text() == "hello\n"


@every_wire
async def test_it_does_all_that_one_answer_asks_for(stage: Stage, wire: Wire) -> None:
    events = await stage.use(Shell("echo 1"), Shell("echo 2"), wire=wire)
    assert without_ids(events) == [ToolResult(True, "exit code 0\n1\n"), ToolResult(True, "exit code 0\n2\n")]
    assert stage.server.calls["these"] == 2


@every_wire
async def test_it_ends_at_its_last_turn(stage: Stage, wire: Wire) -> None:
    events, ended = await stage.run("loop", wire, max_turns=3)
    assert events[-1] == Ended(EndStatus.LIMIT_REACHED, "it has used the 3 turns that it may take")
    assert (stage.server.calls["loop"], ended.code) == (3, 2)
    assert (stage.tree / "loop.txt").read_text() == "turn0\nturn1\nturn2\n"


async def test_without_a_number_of_turns_it_has_one_of_its_own(stage: Stage) -> None:
    events, _ = await stage.run("loop", limits=replace(QUICK, turns=2))
    assert events[-1] == Ended(EndStatus.LIMIT_REACHED, "it has used the 2 turns that it may take")


async def test_usage_is_told_per_call(stage: Stage) -> None:
    events, _ = await stage.run("both")
    assert [event for event in events if isinstance(event, UsageReport)] == 3 * [UsageReport(1000, 50, 200)]


@every_wire
async def test_an_empty_answer_is_asked_for_again_and_at_last_a_failure(stage: Stage, wire: Wire) -> None:
    stage.server.scenarios["silent"] = Scenario(last="")
    events, ended = await stage.run("silent", wire)
    assert events[-1] == Ended(EndStatus.FAILED, "the model's answers were empty or cut off 4 times in a row")
    assert (stage.server.calls["silent"], ended.code) == (4, 1)


async def test_a_long_answer_arrives_whole(stage: Stage) -> None:
    events, _ = await stage.run("huge")
    assert [len(event.text) for event in events if isinstance(event, Text)] == [250_000]


async def test_without_a_model_the_server_chooses(stage: Stage) -> None:
    await stage.run("text", model=None)
    assert stage.server.last
    assert "model" not in stage.server.last.body


# What the provider gets


async def test_the_key_as_chat_completions_want_it(stage: Stage) -> None:
    await stage.run("text")
    assert stage.server.last
    assert stage.server.last.headers["Authorization"] == f"Bearer {KEY}"


async def test_the_key_as_anthropic_wants_it(stage: Stage) -> None:
    await stage.run("text", Wire.ANTHROPIC)
    assert stage.server.last
    headers = stage.server.last.headers
    assert (headers["x-api-key"], headers["anthropic-version"]) == (KEY, "2023-06-01")


async def test_a_conversation_of_chat_completions(stage: Stage) -> None:
    await stage.run("ok")
    assert stage.server.last
    system, user, asked, told = stage.server.last.body["messages"]
    assert system == {"role": "system", "content": mini_driver.SYSTEM}
    assert user == {"role": "user", "content": "Say hello."}
    assert told == {"role": "tool", "tool_call_id": asked["tool_calls"][0]["id"], "content": "exit code 0\n"}


async def test_a_conversation_of_messages_whose_end_is_marked_for_the_cache(stage: Stage) -> None:
    await stage.run("ok", Wire.ANTHROPIC)
    assert stage.server.last
    user, asked, told = stage.server.last.body["messages"]
    assert user == {"role": "user", "content": [{"type": "text", "text": "Say hello."}]}
    assert told["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": asked["content"][0]["id"],
            "content": "exit code 0\n",
            "is_error": False,
            "cache_control": {"type": "ephemeral"},
        }
    ]


# When the provider does not answer


@every_wire
@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_ends_the_run_at_once(stage: Stage, wire: Wire, status: int) -> None:
    events, ended = await stage.run(f"e{status}", wire)
    assert isinstance(events[-1], Ended)
    assert (events[-1].status, ended.code) == (EndStatus.FAILED, 1)
    assert f"HTTP status {status}: scripted {status}" in events[-1].reason
    assert stage.server.calls[f"e{status}"] == 1


async def test_a_rate_limit_that_stays_is_the_providers(stage: Stage) -> None:
    events, ended = await stage.run("e429", limits=replace(QUICK, retries=1))
    reason = "the model server refused with HTTP status 429: scripted 429"
    assert events == [Started(None, "mock"), Retry(429, 1.0), Ended(EndStatus.PROVIDER_LIMITED, reason)]
    assert ended.code == 3


async def test_an_overload_that_stays_is_the_providers(stage: Stage) -> None:
    events, _ = await stage.run("e529", Wire.ANTHROPIC)
    reason = "the model server refused with HTTP status 529: scripted 529"
    assert events[1:] == [Retry(529, 0.01), Retry(529, 0.02), Ended(EndStatus.PROVIDER_LIMITED, reason)]


async def test_a_pause_longer_than_its_patience_is_not_waited_for(stage: Stage) -> None:
    events, _ = await stage.run("e429", limits=replace(QUICK, longest_delay=0.5))
    assert isinstance(events[-1], Ended)
    assert (events[-1].status, stage.server.calls["e429"]) == (EndStatus.PROVIDER_LIMITED, 1)


async def test_it_recovers_from_a_rate_limit_that_passes(stage: Stage) -> None:
    events, ended = await stage.run("flaky")
    assert [event for event in events if isinstance(event, Retry)] == 2 * [Retry(429, 1.0)]
    assert (events[-1], ended.code) == (Ended(EndStatus.COMPLETED, "completed"), 0)


async def test_a_broken_server_is_a_failure_in_the_end(stage: Stage) -> None:
    events, _ = await stage.run("e500")
    assert events[-1] == Ended(EndStatus.FAILED, "the model server refused with HTTP status 500: scripted 500")
    assert stage.server.calls["e500"] == 3


@every_wire
@pytest.mark.parametrize("scenario", ["hang", "hangmid"])
async def test_a_server_that_hangs_is_given_up(stage: Stage, wire: Wire, scenario: str) -> None:
    events, _ = await stage.run(scenario, wire, replace(QUICK, answer_seconds=0.2, retries=1))
    host = stage.server.base.removeprefix("http://")
    assert events[1:] == [
        Retry(None, 0.01),
        Ended(EndStatus.FAILED, f"no answer from {host}: it took longer than 0.2 s"),
    ]


async def test_an_answer_that_is_no_json_is_a_failure(stage: Stage) -> None:
    events, _ = await stage.run("badjson")
    assert isinstance(events[-1], Ended)
    assert events[-1].status is EndStatus.FAILED
    assert "answered with no JSON object" in events[-1].reason


@pytest.mark.parametrize("url", ["", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:0/", "http://[", "no address"])
async def test_an_address_that_is_none_is_a_failure(stage: Stage, url: str) -> None:
    events, _ = await stage.run("ok", endpoint=Endpoint(url, KEY))
    assert isinstance(events[-1], Ended)
    assert "is no address of a model server" in events[-1].reason


async def test_nobody_at_the_address_is_a_failure(stage: Stage) -> None:
    # Nobody listens on port 1 of loopback.
    events, _ = await stage.run("ok", endpoint=Endpoint("http://127.0.0.1:1/v1", KEY))
    assert [type(event) for event in events] == [Started, Retry, Retry, Ended]
    assert events[-1] == Ended(EndStatus.FAILED, "no answer from 127.0.0.1:1: [Errno 111] Connection refused")


async def test_a_key_that_no_header_takes_is_not_repeated(stage: Stage) -> None:
    endpoint = Endpoint(stage.server.url("ok", Wire.OPENAI_CHAT), "sk-\N{CYRILLIC SMALL LETTER A}")
    events, _ = await stage.run("ok", endpoint=endpoint)
    assert events[-1] == Ended(EndStatus.FAILED, "the key in ORCH_MODEL_KEY holds characters that no HTTP header takes")


# The end


async def test_a_stop_lets_the_command_end_in_order(stage: Stage, mark: str) -> None:
    agent, script = MiniAgent(limits=QUICK), f"trap 'echo in order > end; exit' TERM; (exec -a {mark} sleep 300) & wait"
    stage.server.scenarios["wait"] = Scenario((Turn((Shell(script),)),))
    async with supervise(stage.command(agent, "wait")) as supervised:
        await await_marked(mark, 1)
        await supervised.stop()
        events = [event async for line in supervised.lines() for event in agent.parse(line.data, line.stream)]
        ended = await supervised.wait()
    assert events[-1] == Ended(EndStatus.CANCELLED, "it was told to stop")
    assert (ended.reason, ended.code, ended.survivors) == (ExitReason.STOPPED, 143, 0)
    assert (stage.tree / "end").read_text() == "in order\n"


async def test_a_stop_while_the_model_thinks_ends_at_once(stage: Stage) -> None:
    agent = MiniAgent(limits=QUICK)
    async with supervise(stage.command(agent, "hang")) as supervised:
        await stage.server.called.wait()
        await supervised.stop()
        events = [event async for line in supervised.lines() for event in agent.parse(line.data, line.stream)]
        ended = await supervised.wait()
    assert events[-1] == Ended(EndStatus.CANCELLED, "it was told to stop")
    assert (ended.reason, ended.code) == (ExitReason.STOPPED, 143)


async def test_sigterm_alone_leaves_no_process_of_a_command(stage: Stage, mark: str) -> None:
    """Without the supervisor, which would kill what is left anyway."""
    deaf = f"trap '' TERM; (exec -a {mark} sleep 300) & exec -a {mark} sleep 300"
    stage.server.scenarios["deaf"] = Scenario((Turn((Shell(deaf),)),))
    made = stage.command(MiniAgent(limits=QUICK), "deaf")
    process = await asyncio.create_subprocess_exec(
        *made.argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=made.env, cwd=made.cwd
    )
    assert process.stdin
    process.stdin.write(made.stdin or b"")
    process.stdin.close()
    await await_marked(mark, 2)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 30) == 143
    assert marked(mark) == []


# The driver by itself


async def test_the_driver_needs_nothing_but_the_standard_library() -> None:
    script = f"import sys; sys.path.append({ROOT!r}); import runner.agents.mini_driver; print(*sys.modules)"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", script, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    loaded = {name.partition(".")[0] for name in told.decode().split()}
    assert loaded - {"runner", "__main__"} <= set(sys.stdlib_module_names)


async def test_orders_that_make_no_sense_are_answered_with_a_last_word(stage: Stage) -> None:
    agent = MiniAgent(limits=QUICK)
    async with supervise(replace(stage.command(agent, "ok"), stdin=b"{}")) as supervised:
        events = [event async for line in supervised.lines() for event in agent.parse(line.data, line.stream)]
    assert isinstance(events[-1], Ended)
    assert events[-1].reason.startswith("an error of the agent itself: TypeError: ")
    assert Unknown not in map(type, events)
