"""`orch run` and `orch usage` as a person or a script meets them, over transcripts of real runs."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.domain.outcomes import Outcome, Usage
from app.domain.record import Folded, RunSummary, TaskRecord
from app.leases import Leases, RunLease
from app.records import Records
from app.redaction import Redaction
from infra.local.artifacts import DiskArtifacts
from infra.local.clock import SystemClock
from infra.sqlite.database import Database
from infra.sqlite.migrations import STORE
from infra.sqlite.store import SqliteStore
from runner.agents.base import (
    AgentEvent,
    Asked,
    Ended,
    EndStatus,
    Hangup,
    Heard,
    Refused,
    Retry,
    Send,
    Started,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
    UsageReport,
)
from runner.supervision import Line, Stream
from runner.transcript import Transcript, events_key
from tests.integration.test_cli import Said
from tests.unit import build

# The commands, whether or not `orch` has them by now.
ORCH = """
from app.cli import main, run, usage
for module in (run, usage):
    if module not in main.COMMANDS:
        module.register(main.cli)
main.main()
"""
DONE, FAILED, AT_WORK, LOST, GIVEN_BACK, LEFT = "d0ne0001", "d0ad0002", "a11e0003", "105e0004", "b4c60005", "1ef70006"
NOW = datetime.now(UTC)
EVENTS: tuple[AgentEvent, ...] = (
    Started("s-1", "opus"),
    Text("I begin.\nFirst \x1b[31mthis\x1b[0m \ud800."),
    ToolCall("Bash", {"description": "look", "command": "ls -l\npwd"}, "1"),
    ToolResult(True, "\n".join(f"line {n}" for n in range(9)) + "x" * 500, "1"),
    ToolCall("shell", {"command": ["sh", "-c", "true"]}),
    ToolCall("Read", {"file_path": "/a/b"}),
    ToolCall("Odd", {"thing": 5}),
    ToolResult(False, "no such file"),
    UsageReport(1200, 50, 200, Decimal("0.0127")),
    Retry(429, 2.0),
    Retry(),
    Asked("7", "Bash", {"command": "rm x"}),
    Refused("Bash", "not allowed"),
    Send(b"yes"),
    Heard("comment-1"),
    Hangup(),
    Unknown("new_thing"),
    Ended(EndStatus.COMPLETED, "done"),
)
LINES = ("one", "two \x1b[2J", '{"three": 3}')


def environment(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "ORCH_STATE_DIR": "state", "TZ": "UTC"}


def orch(folder: Path, *argv: str) -> Said:
    done = subprocess.run(
        [sys.executable, "-c", ORCH, *argv],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(done.args, done.returncode, done.stdout, done.stderr)


@asynccontextmanager
async def open_transcript(folder: Path, run_id: str) -> AsyncIterator[Transcript]:
    artifacts = DiskArtifacts(folder / "state" / "artifacts")
    async with Transcript.open(artifacts, SystemClock(), run_id, Redaction()) as transcript:
        yield transcript


async def leave(folder: Path, run_id: str, *events: AgentEvent) -> None:
    async with open_transcript(folder, run_id) as transcript:
        for text in LINES:
            await transcript.line(Line(Stream.STDOUT, text.encode()))
        for event in events:
            await transcript.event(event)


@asynccontextmanager
async def open_store(folder: Path) -> AsyncIterator[SqliteStore]:
    async with await Database.open(folder / "state" / "store.db", STORE, durable=False) as database:
        yield SqliteStore(database, SystemClock())


async def hold(store: SqliteStore, record: TaskRecord, run_id: str, seconds: float) -> None:
    """Let a runner hold the task for so long."""
    lease = RunLease(
        run_id=run_id,
        job_id=build.JOB.id,
        runner="here:1",
        begins=1,
        expires_at=datetime.now(UTC) + timedelta(seconds=seconds),
        step="agent script works",
    )
    _, version = await Leases(store).get(record.group)
    await Leases(store).put(record.group, lease, version)


def summary(run_id: str, **changes: object) -> RunSummary:
    return build.summary(run_id, agent="claude", model="opus", session="s-1", **changes)


async def fill(folder: Path) -> None:
    """Make the state of an Orch with runs that ended, that go on, and that nobody knows the end of."""
    blind = summary(FAILED, attempt=2, outcome=Outcome.AGENT_FAILED, usage=Usage(), reason="It \x1b[31mbroke.")
    working = build.record(runs=(summary(DONE), blind), folded=Folded(runs=2, cost=None), run_id=AT_WORK, attempt=3)
    lost = build.record(task=build.task(13), run_id=LOST)
    returned = build.record(task=build.task(14), run_id=GIVEN_BACK)
    async with open_store(folder) as store:
        for record in (working, lost, returned):
            await Records(store).restore(record)
        await hold(store, working, AT_WORK, 3600)
        await hold(store, lost, LOST, -5)
        await hold(store, returned, GIVEN_BACK, -5)
    await leave(folder, DONE, *EVENTS)
    await leave(folder, GIVEN_BACK, Started(None, None))
    await leave(folder, LEFT, Started("s-9", None), UsageReport(10, 1), UsageReport(5, None))
    artifacts = DiskArtifacts(folder / "state" / "artifacts")
    await artifacts.append(events_key(AT_WORK), b'{"at":"2025-03-01T12:00:00+00:00","type":"started","session":"s')
    await artifacts.append(events_key(LOST), b'{"at":"2025-03-01T12:00:00+00:00","type":"hangup"}\nnot this\n[]\n')


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder whose state nobody changes."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "state").mkdir()
    asyncio.run(fill(folder))
    return folder


# What is known of a run


def test_a_run_that_ended_is_shown(filled: Path) -> None:
    shown = orch(filled, "run", "show", DONE, "--json").json
    assert shown == {
        "run": DONE,
        "state": "ended",
        "task": "owner/project#12",
        "title": build.TITLE,
        "attempt": 1,
        "agent": "claude",
        "model": "opus",
        "outcome": "delivered",
        "reason": "It ended.",
        "step": None,
        "runner": None,
        "started_at": (build.NOW - timedelta(seconds=90)).isoformat(),
        "ended_at": build.NOW.isoformat(),
        "seconds": 90.0,
        "usage": {"tokens_in": 1000, "tokens_out": 200, "tokens_cached": None, "cost": "0.25"},
        "session": "s-1",
        "head_sha": build.SHA,
        "transcript": f"state/artifacts/runs/{DONE}/events.jsonl",
    }


def test_what_is_unknown_of_a_run_is_called_so(filled: Path) -> None:
    lines = orch(filled, "run", "show", FAILED).stdout.splitlines()
    assert {"usage            unknown", "reason           It \\x1b[31mbroke.", "transcript"} <= set(lines)


STATES: dict[str, tuple[str, dict[str, Any]]] = {
    "at work": (
        AT_WORK,
        {"state": "at work", "step": "agent script works", "runner": "here:1", "agent": "script", "attempt": 3},
    ),
    "lost": (LOST, {"state": "lost", "step": None, "task": "owner/project#13", "outcome": None, "seconds": 0.0}),
    "given back": (GIVEN_BACK, {"state": "given back", "session": None, "ended_at": None}),
    "forgotten by the store": (
        LEFT,
        {
            "state": "ended",
            "task": None,
            "agent": None,
            "session": "s-9",
            "usage": {"tokens_in": 15, "tokens_out": None, "tokens_cached": None, "cost": None},
        },
    ),
}


@pytest.mark.parametrize(("run_id", "known"), STATES.values(), ids=STATES.keys())
def test_a_run_without_an_outcome_is_shown_as_far_as_it_is_known(
    filled: Path, run_id: str, known: dict[str, Any]
) -> None:
    shown = orch(filled, "run", "show", run_id, "--json").json
    assert {name: shown[name] for name in known} == known


def test_the_beginning_of_an_id_is_enough(filled: Path) -> None:
    assert orch(filled, "run", "show", "d0n", "--json").json["run"] == DONE


# What a run did


def test_events_are_told_one_after_the_other(filled: Path) -> None:
    said = orch(filled, "run", "log", DONE)
    assert (said.returncode, said.stderr) == (0, "")
    lines = said.stdout.splitlines()
    assert [line[10:] if line[:1].isdigit() else f"+{line}" for line in lines] == [
        "started   model opus, session s-1",
        "says      I begin.",
        "+                    First \\x1b[31mthis\\x1b[0m \\ud800.",
        "calls     Bash: ls -l",
        "+                    pwd",
        "result    line 0",
        "+                    line 1",
        "+                    line 2",
        "+                    line 3",
        "+                    ... (5 more lines)",
        "calls     shell: sh -c true",
        "calls     Read: /a/b",
        'calls     Odd: {"thing": 5}',
        "failed    no such file",
        "used      1,200 in (200 cached), 50 out, cost $0.0127",
        "retries   its model after HTTP 429, in 2.0 s",
        "retries   its model",
        "asks      Bash: rm x",
        "refused   Bash: not allowed",
        "hears     instruction comment-1",
        "unknown   new_thing",
        "ended     completed: done",
        "run       ended",
    ]
    assert all(datetime.strptime(line[:8], "%H:%M:%S") for line in lines if line[:1].isdigit())


def test_events_are_given_as_json_lines(filled: Path) -> None:
    said = orch(filled, "run", "log", DONE, "--json")
    events = [json.loads(line) for line in said.stdout.splitlines()]
    assert (len(events), events[0]["type"], events[-1]["type"]) == (len(EVENTS) + 1, "started", "run_ended")


def test_raw_is_what_the_agent_printed(filled: Path) -> None:
    assert orch(filled, "run", "log", DONE, "--raw").stdout.splitlines() == list(LINES)


def test_raw_lines_are_given_as_json_with_their_stream(filled: Path) -> None:
    first, *_ = orch(filled, "run", "log", DONE, "--raw", "--json").stdout.splitlines()
    assert {"stream": "stdout", "text": "one", "truncated": False}.items() <= json.loads(first).items()


def test_what_an_agent_printed_commands_no_terminal(filled: Path) -> None:
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-c", ORCH, "run", "log", DONE, "--raw"]
    subprocess.run(argv, cwd=filled, env=environment(filled), stdout=theirs, check=True, timeout=60)
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        assert terminal.read(10_000) == b'one\r\ntwo \\x1b[2J\r\n{"three": 3}\r\n'


def test_a_line_that_is_torn_is_passed_over(filled: Path) -> None:
    assert orch(filled, "run", "log", AT_WORK).stdout == ""
    assert orch(filled, "run", "log", LOST, "--json").stdout.count("\n") == 1


def test_a_reader_that_goes_away_is_no_mistake(filled: Path) -> None:
    argv = f"{sys.executable} -c '{ORCH}' run log {DONE} | true"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {argv}"],
        cwd=filled,
        env=environment(filled),
        capture_output=True,
        check=False,
    )
    assert b"mistake" not in done.stderr


# Following


async def following(folder: Path, *argv: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", ORCH, "run", "log", "--follow", *argv),
        cwd=folder,
        env=environment(folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.fixture
async def working(tmp_path: Path) -> Path:
    """Make a folder whose one run is at work and has not said anything."""
    (tmp_path / "state").mkdir()
    async with open_store(tmp_path) as store:
        await Records(store).restore(build.record(run_id=AT_WORK))
        await hold(store, build.record(), AT_WORK, 3600)
    return tmp_path


@pytest.mark.parametrize("more", [[], ["--raw"]])
async def test_a_run_is_followed_until_it_has_ended(working: Path, more: list[str]) -> None:
    follower = await following(working, AT_WORK, *more)
    assert follower.stdout is not None
    async with asyncio.timeout(60), open_transcript(working, AT_WORK) as transcript:
        await transcript.line(Line(Stream.STDOUT, b"says      first"))
        await transcript.event(Text("first"))
        assert b"says      first" in await follower.stdout.readline()
        await transcript.line(Line(Stream.STDOUT, b"says      second"))
        await transcript.event(Text("second"))
    async with asyncio.timeout(60):
        rest, _ = await follower.communicate()
    assert (follower.returncode, b"says      second" in rest) == (0, True)


async def test_following_ends_with_the_runner(working: Path) -> None:
    artifacts = DiskArtifacts(working / "state" / "artifacts")
    await artifacts.append(events_key(AT_WORK), b'{"type":"text","text":"last words"}\n')
    follower = await following(working, AT_WORK)
    assert follower.stdout is not None
    async with asyncio.timeout(60):
        assert b"last words" in await follower.stdout.readline()
        async with open_store(working) as store:
            await hold(store, build.record(), AT_WORK, -1)
        assert (await follower.communicate(), follower.returncode) == ((b"", b""), 0)


async def test_following_ends_with_ctrl_c(working: Path) -> None:
    artifacts = DiskArtifacts(working / "state" / "artifacts")
    await artifacts.append(events_key(AT_WORK), b'{"type":"text","text":"first"}\n')
    follower = await following(working, AT_WORK)
    assert follower.stdout is not None
    async with asyncio.timeout(60):
        assert b"first" in await follower.stdout.readline()
        follower.send_signal(signal.SIGINT)
        assert (await follower.communicate(), follower.returncode) == ((b"", b""), 130)


# Usage


def test_usage_is_summed_up_with_what_is_unknown(filled: Path) -> None:
    assert orch(filled, "usage", "--by", "agent").stdout.splitlines() == [
        "name\truns\ttokens in\ttokens out\ttokens cached\tcost",
        "earlier\t2\tunknown\tunknown\tunknown\tunknown",
        "claude\t2\tat least 1,000 (1 run unknown)\tat least 200 (1 run unknown)\tunknown"
        "\tat least $0.2500 (1 run unknown)",
        "all\t4\tat least 1,000 (3 runs unknown)\tat least 200 (3 runs unknown)\tunknown"
        "\tat least $0.2500 (3 runs unknown)",
    ]


def test_usage_by_run_tells_whose_each_was(filled: Path) -> None:
    report = orch(filled, "usage", "--by", "run", "--since", "2025-03-01", "--json").json
    assert [(row["name"], row["about"], row["cost"]) for row in report["rows"]] == [
        ("earlier", "", {"known": None, "unknown_runs": 2}),
        (FAILED, "owner/project#12, attempt 2, agent_failed", {"known": None, "unknown_runs": 1}),
        (DONE, "owner/project#12, attempt 1, delivered", {"known": "0.25", "unknown_runs": 0}),
    ]
    assert (report["since"], report["undated"], report["total"]["runs"]) == ("2025-03-01", 0, 4)


# Mistakes

MISTAKES = {
    "no such run": (["run", "show", "nope"], "no run's id is or begins with `nope`; `orch usage --by run` lists"),
    "no such run to log": (["run", "log", "nope"], "no run's id is or begins with `nope`"),
    "two runs": (["run", "log", "d0"], f"2 runs begin with `d0`: {FAILED}, {DONE}"),
    "no transcript": (["run", "log", FAILED, "--follow"], f"run {FAILED} left no transcript"),
    "no output": (["run", "log", LOST, "--raw"], f"run {LOST} left no output"),
    "no such sum": (["usage", "--by", "year"], "`year` is nothing to sum up by; one of: run, task, repository"),
    "no such day": (["usage", "--since", "yesterday"], "'yesterday' does not match"),
}


@pytest.mark.parametrize(("argv", "said"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line(filled: Path, argv: list[str], said: str) -> None:
    assert said in orch(filled, *argv).error
