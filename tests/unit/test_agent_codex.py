import json
import platform
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

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
    Lane,
    Prompt,
    Retry,
    Session,
    Started,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
    UsageReport,
)
from runner.agents.codex import CodexAgent, native
from runner.supervision import Stream
from tests.unit.mutations import all_recorded, mutated, recorded, write_down

COMMAND = {"command": "/bin/bash -lc 'echo hello > hello.txt'"}
OWN = UsageReport(1000, 50, 200)
WORK = Assignment(
    Prompt("Fix it.\nPlease.", "Please."),
    Path("/room"),
    Path("/home"),
    Path("/tmp"),
    model="mock-model",
    endpoint=Endpoint("http://127.0.0.1:1/v1", "token"),
)
GATED = replace(WORK, lane=Lane.GATED)
CONFIGURATION = (
    *("-c", "analytics.enabled=false"),
    *("-c", 'projects={"/room"={trust_level="untrusted"}}'),
    *("-c", "model_provider=orch", "-c"),
    'model_providers.orch={name="orch",base_url="http://127.0.0.1:1/v1",env_key="OPENAI_API_KEY",wire_api="responses"}',
)
LIMITED = Ended(EndStatus.PROVIDER_LIMITED, "exceeded retry limit, last status: 429 Too Many Requests")


def started(work: Assignment = WORK) -> CodexAgent:
    agent = CodexAgent("/opt/codex")
    agent.command(work)
    return agent


def told(name: str, work: Assignment = WORK) -> list[AgentEvent]:
    agent = started(work)
    return [event for line in recorded(f"codex-{name}") for event in agent.parse(line, Stream.STDOUT)]


def of(kind: type[AgentEvent], events: Iterable[AgentEvent]) -> list[AgentEvent]:
    return [event for event in events if isinstance(event, kind)]


def resumed(work: Assignment, *tokens: int | None) -> Assignment:
    tokens_in, tokens_out, cached = tokens
    usage = Usage(tokens_in=tokens_in, tokens_out=tokens_out, tokens_cached=cached)
    return replace(work, session=Session("01a1", usage))


# What is started


def test_it_is_let_go_inside_the_sandbox_and_not_steered_by_the_repository() -> None:
    agent: Agent = CodexAgent("/opt/codex")
    made = agent.command(WORK)
    arguments = ("--json", "--skip-git-repo-check", *CONFIGURATION, "-c", 'sandbox_mode="danger-full-access"')
    assert made.argv == ("/opt/codex", "exec", *arguments, "-m", "mock-model", "-")
    assert (made.stdin, made.talks) == (b"Fix it.\nPlease.", False)


def test_the_app_server_is_configured_alike_and_gives_no_terminals() -> None:
    made = CodexAgent("/opt/codex").command(GATED)
    argv = ("/opt/codex", "app-server", *CONFIGURATION, "-c", "features.unified_exec_tty=false")
    assert (made.argv, made.talks) == (argv, True)
    assert json.loads(made.stdin or b"")["method"] == "initialize"


def test_its_environment_holds_the_key_and_nothing_of_the_runner() -> None:
    assert CodexAgent().command(WORK).env == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/home",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "OPENAI_API_KEY": "token",
    }


def test_a_thread_is_resumed_by_its_id() -> None:
    argv = CodexAgent("/opt/codex").command(resumed(WORK, 1, 1, 1)).argv
    assert (argv[:3], argv[-2:]) == (("/opt/codex", "exec", "resume"), ("01a1", "-"))


def test_a_workspace_with_quotes_stays_one_key() -> None:
    argv = CodexAgent().command(replace(WORK, workspace=Path('/a"b'))).argv
    assert 'projects={"/a\\"b"={trust_level="untrusted"}}' in argv


@pytest.mark.parametrize("place", ["codex/node_modules/@openai/codex-linux-x64", "codex-linux-x64", "codex"])
def test_the_program_behind_the_wrapper_is_found(tmp_path: Path, place: str) -> None:
    wrapper = program_at(tmp_path / "node_modules/@openai/codex/bin/codex.js")
    vendor = f"vendor/{platform.machine()}-unknown-linux-musl"
    found = program_at(tmp_path / "node_modules/@openai" / place / vendor / "bin/codex")
    link = tmp_path / "codex"
    link.symlink_to(wrapper)
    assert native(link) == found


def test_a_wrapper_without_its_program_is_left_as_it_is(tmp_path: Path) -> None:
    wrapper = program_at(tmp_path / "codex/bin/codex.js")
    assert native(wrapper) == wrapper


def test_what_is_no_wrapper_is_left_as_it_is(tmp_path: Path) -> None:
    link = tmp_path / "codex"
    link.symlink_to(program_at(tmp_path / "codex-x86_64"))
    assert (native(link), native(Path("codex"))) == (link, Path("codex"))


def program_at(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o755)
    return path


# What exec says


def test_a_run_from_beginning_to_end() -> None:
    assert told("ok") == [
        Started("01a1f7e4-4f33-7131-8d99-59e1e1419dc9", "mock-model"),
        Unknown("item/error"),
        ToolCall("command_execution", COMMAND, "item_1"),
        ToolResult(True, "", "item_1"),
        Text("Done: hello.txt now says hello."),
        UsageReport(2000, 100, 400),
        Ended(EndStatus.COMPLETED, "completed"),
    ]


def test_an_exhausted_rate_limit_is_known_by_its_message() -> None:
    events = told("e429")
    assert of(Retry, events) == [Retry(429)]
    assert of(Ended, events)[-1] == LIMITED


def test_a_wrong_key_is_a_failure() -> None:
    events = told("e401")
    assert of(Retry, events) == [Retry(401)]
    message = "unexpected status 401 Unauthorized: scripted 401, url: http://127.0.0.1:8099/e401/v1/responses"
    assert of(Ended, events)[-1] == Ended(EndStatus.FAILED, message)


def test_a_server_error_is_known_by_the_only_thing_that_is_said_of_it() -> None:
    events = told("e500")
    assert of(Retry, events) == [Retry(500)]
    message = "We’re currently experiencing high demand, which may cause temporary errors."  # noqa: RUF001 - as it says
    assert of(Ended, events)[-1] == Ended(EndStatus.FAILED, message)


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("You've hit your usage limit. Try again at 3 PM.", EndStatus.PROVIDER_LIMITED),
        ("Selected model is at capacity. Please try a different model.", EndStatus.PROVIDER_LIMITED),
        ("Quota exceeded. Check your plan and billing details.", EndStatus.PROVIDER_LIMITED),
        ("unexpected status 400 Bad Request: rate limit is no field", EndStatus.FAILED),
        ("something else", EndStatus.FAILED),
    ],
)
def test_a_limit_of_the_account_is_told_from_a_failure(message: str, status: EndStatus) -> None:
    line = json.dumps({"type": "turn.failed", "error": {"message": message}}).encode()
    assert list(started().parse(line, Stream.STDOUT)) == [Ended(status, message)]


def test_killed_before_its_last_word_it_says_none() -> None:
    assert of(Ended, told("sigTERM")) == []
    assert list(started().close(None)) == []


def test_an_exit_without_a_last_word_is_explained_by_what_it_printed_as_an_error() -> None:
    agent = started()
    assert list(agent.parse(b"\x1b[31mError\x1b[0m: no rollout found", Stream.STDERR)) == [Unknown("stderr")]
    assert list(agent.close(1)) == [Ended(EndStatus.FAILED, "Error: no rollout found")]


def test_an_exit_without_any_word_is_not_called_a_success() -> None:
    assert list(started().close(0)) == []


def test_a_tool_call_that_only_its_end_tells_of_is_told_whole() -> None:
    item = {"id": "7", "type": "command_execution", "command": "false", "exit_code": 1, "status": "failed"}
    line = json.dumps({"type": "item.completed", "item": item | {"aggregated_output": "no\n"}}).encode()
    assert list(started().parse(line, Stream.STDOUT)) == [
        ToolCall("command_execution", {"command": "false"}, "7"),
        ToolResult(False, "no\n", "7"),
    ]


def test_a_resumed_thread_reports_only_what_came_since() -> None:
    assert of(UsageReport, told("res1")) == [OWN]
    assert of(UsageReport, told("res2", resumed(WORK, 1000, 50, 200))) == [OWN]


def test_what_came_since_something_unknown_is_unknown() -> None:
    reports = of(UsageReport, told("res2", resumed(WORK, None, 50, None)))
    assert reports == [UsageReport(None, 50, None)]


def test_a_count_that_shrank_began_anew() -> None:
    assert of(UsageReport, told("res2", resumed(WORK, 9000, 900, 900))) == [UsageReport(2000, 100, 400)]


def test_exec_asks_nobody_and_hears_nothing() -> None:
    agent = started()
    assert agent.cancel() == b""
    with pytest.raises(NotImplementedError):
        agent.answer(Asked("1", "x", {}), True, "")


# What nobody expects


@pytest.mark.parametrize(
    ("line", "work", "kind"),
    [
        (b'{"type":"turn.frobbed"}', WORK, "turn.frobbed"),
        (b'{"type":"item.completed","item":{"type":"newThing"}}', WORK, "item/new_thing"),
        (b'{"method":"thread/frobbed","params":{}}', GATED, "thread/frobbed"),
        (b"{}", WORK, "unreadable"),
        (b"[1]", WORK, "unreadable"),
        (b'{"method":', GATED, "unreadable"),
        (b"\xff", GATED, "unreadable"),
    ],
)
def test_what_it_does_not_know_is_named(line: bytes, work: Assignment, kind: str) -> None:
    assert list(started(work).parse(line, Stream.STDOUT)) == [Unknown(kind)]


@given(st.binary(max_size=300), st.sampled_from(Stream), st.sampled_from([WORK, GATED]))
def test_no_bytes_raise(line: bytes, stream: Stream, work: Assignment) -> None:
    list(started(work).parse(line, stream))


@given(mutated(all_recorded("codex-*.jsonl")), st.sampled_from([WORK, GATED]), st.booleans())
def test_no_recorded_line_with_something_else_in_it_raises(line: bytes, work: Assignment, allowed: bool) -> None:
    agent = started(work)
    for asked in write_down(agent.parse(line, Stream.STDOUT)):
        agent.answer(asked, allowed, "because")
