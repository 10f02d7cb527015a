"""The command line as a person or a script meets it: each call is a process of its own."""

import asyncio
import json
import os
import pty
import re
import shutil
import sqlite3
import subprocess
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.domain.effects import Decision, UpsertComment
from app.domain.envelope import Envelope, Source
from app.domain.task import Status
from app.leases import Leases, RunLease
from app.records import Records
from infra.local.clock import SystemClock
from infra.sqlite.database import Database
from infra.sqlite.events import SqliteEventQueue
from infra.sqlite.jobs import SqliteJobQueue
from infra.sqlite.migrations import QUEUE, STORE
from infra.sqlite.store import SqliteStore
from tests.e2e.processes import ORCH
from tests.unit import build

TOKEN = "ghs_" + "a1B2" * 9
STYLE = re.compile(r"\x1b\[[0-9;]*m")
NOW = datetime.now(UTC)
ONE = "owner/project#12"
TWO = "owner/project#13"
ROW = {
    "agent": "script",
    "attempt": 1,
    "branch": "orch/12-add-a-greeting",
    "cost": None,
    "created_at": build.NOW.isoformat(),
    "model": None,
    "pull_request": None,
    "requested_by": "writer",
    "runs": 0,
    "status": "in_progress",
    "task": ONE,
    "title": build.TITLE,
    "why": "Because.",
}


class Said(subprocess.CompletedProcess[str]):
    """What a command said."""

    @property
    def json(self) -> Any:
        assert (self.returncode, self.stderr) == (0, "")
        return json.loads(self.stdout)

    @property
    def error(self) -> str:
        """Return the one line of an error, which is all that was said."""
        [line] = self.stderr.splitlines()
        assert (self.returncode, self.stdout) == (2, "")
        assert line.startswith("orch: ")
        return line


def orch(folder: Path, *argv: str, **settings: object) -> Said:
    """Run the command in a folder, whose state is in `state`."""
    env = {f"ORCH_{name}": str(value) for name, value in {"STATE_DIR": "state", **settings}.items()}
    done = subprocess.run(
        [str(ORCH), *argv],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(done.args, done.returncode, done.stdout, done.stderr)


def envelope(name: str, group: str = build.TASK.group) -> Envelope:
    return Envelope(
        id=name, group=group, source=Source.GITHUB, name="issues", body=b"{}", received_at=datetime.now(UTC)
    )


async def fill(state: Path) -> None:
    """Make the state of an Orch that has two tasks, a run at work, and things set aside."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        queue = await stack.enter_async_context(await Database.open(state / "queue.db", QUEUE, durable=True))
        documents = await stack.enter_async_context(await Database.open(state / "store.db", STORE, durable=False))
        store = SqliteStore(documents, clock)
        await fill_store(store)
        events = SqliteEventQueue(queue, clock, lease_seconds=60, max_failures=1)
        jobs = SqliteJobQueue(queue, clock, lease_seconds=60, max_failures=1)
        await events.send(envelope("broken"))
        await jobs.send(build.JOB)
        for lease in (await events.receive(1), await jobs.receive(1)):
            assert lease is not None
            await lease.fail(f"Traceback\n  somewhere\nValueError: no {TOKEN}\x1b[31m")
        await events.send(envelope("waits"))


async def fill_store(store: SqliteStore) -> None:
    records, record = Records(store), build.record()
    decision = Decision("run run-1 began", record, (UpsertComment(),))
    await records.commit(record.group, "first", decision, 0, NOW)
    other = build.record(Status.NEEDS_REVIEW, task=build.task(13), title="Red \x1b[31m\nalert", why="Help!")
    await records.restore(other)
    lease = RunLease(
        run_id="run-1",
        job_id=build.JOB.id,
        runner="here:1",
        begins=1,
        expires_at=datetime.now(UTC) + timedelta(hours=1),
        step="agent script works",
    )
    await Leases(store).put(record.group, lease, 0)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder whose state nobody changes."""
    folder = tmp_path_factory.mktemp("filled")
    asyncio.run(fill(folder / "state"))
    return folder


@pytest.fixture
def own(filled: Path, tmp_path: Path) -> Path:
    """Copy that folder for a test that changes its state."""
    shutil.copytree(filled / "state", tmp_path / "state")
    return tmp_path


# Tasks


def test_tasks_are_listed(filled: Path) -> None:
    listed = orch(filled, "task", "list", "--json").json
    assert (listed[0], [row["task"] for row in listed]) == (ROW, [ONE, TWO])


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (["--status", "needs_review"], [TWO]),
        (["--status", "done"], []),
        (["--repo", "OWNER/Project"], [ONE, TWO]),
        (["--repo", "owner/other"], []),
    ],
)
def test_tasks_are_listed_by_status_and_repository(filled: Path, filters: list[str], found: list[str]) -> None:
    assert [row["task"] for row in orch(filled, "task", "list", "--json", *filters).json] == found


def test_without_a_terminal_a_listing_is_lines_of_columns_and_commands_no_terminal(filled: Path) -> None:
    assert orch(filled, "task", "list").stdout.splitlines() == [
        "task\tstatus\tattempt\tagent\tpull request\ttitle\twhy",
        f"{ONE}\tin_progress\t1\tscript\t\tAdd a greeting\tBecause.",
        f"{TWO}\tneeds_review\t1\tscript\t\tRed \\x1b[31m\\nalert\tHelp!",
    ]


def test_in_a_terminal_a_listing_is_a_table(filled: Path) -> None:
    ours, theirs = pty.openpty()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(filled),
        "ORCH_STATE_DIR": "state",
        "COLUMNS": "200",
        "TERM": "xterm",
    }
    subprocess.run([str(ORCH), "task", "list"], cwd=filled, env=env, stdout=theirs, check=True, timeout=60)
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        shown = STYLE.sub("", terminal.read(100_000).decode())
    head, first, second = shown.splitlines()
    assert head.split() == ["task", "status", "attempt", "agent", "pull", "request", "title", "why"]
    assert first.split() == [ONE, "in_progress", "1", "script", "Add", "a", "greeting", "Because."]
    assert "\\x1b[31m\\nalert" in second


def test_a_task_is_shown_with_its_run_and_decisions(filled: Path) -> None:
    shown = orch(filled, "task", "show", ONE, "--json").json
    assert {name: shown[name] for name in ("task", "acts_next", "current_run", "to_be_done", "decisions")} == {
        "task": ONE,
        "acts_next": "Orch: an agent is at work",
        "current_run": "run-1 at here:1 is alive, step: agent script works",
        "to_be_done": ["upsert_comment"],
        "decisions": [f"{NOW.isoformat()} run run-1 began"],
    }


def test_a_task_is_found_whatever_the_case_of_its_name(filled: Path) -> None:
    said = orch(filled, "task", "show", "Owner/PROJECT#13")
    assert "title            Red \\x1b[31m\\nalert" in said.stdout.splitlines()


def test_why_says_status_reason_and_who_acts_next_in_one_paragraph(filled: Path) -> None:
    [paragraph] = orch(filled, "task", "why", ONE).stdout.splitlines()
    assert paragraph.startswith(
        f"{ONE}, “Add a greeting”, is in_progress: Because. Next acts: Orch: an agent is at work. It is attempt 1 with "
        "agent script, asked for by writer. Run run-1 at here:1 is alive, step: agent script works. No run has ended "
        "yet. Still to be done on GitHub: upsert_comment. Deliveries set aside: 1, see `orch queue dlq`. "
        "Last decisions: "
    )
    assert paragraph.endswith(" run run-1 began.")


# Queues


def test_queues_are_counted(filled: Path) -> None:
    assert orch(filled, "queue", "list", "--json").json == [
        {"queue": "events", "waiting": 1, "in_flight": 0, "later": 0, "dead": 1},
        {"queue": "jobs", "waiting": 0, "in_flight": 0, "later": 0, "dead": 1},
    ]


def test_what_was_set_aside_is_listed_with_its_reason_and_no_secret(filled: Path) -> None:
    event, job = orch(filled, "queue", "dlq", "--json").json
    assert (event["queue"], event["id"], event["kind"], event["about"]) == (
        "events",
        "broken",
        "issues",
        build.TASK.group,
    )
    assert event["reason"] == "Traceback\n  somewhere\nValueError: no [redacted]\x1b[31m"
    assert (job["queue"], job["id"], job["kind"], job["about"]) == ("jobs", build.JOB.id, "run", ONE)
    assert "ValueError: no [redacted]\\x1b[31m" in orch(filled, "queue", "dlq").stdout.splitlines()[1]


def test_one_is_put_back_by_its_id(own: Path) -> None:
    assert orch(own, "queue", "redrive", "broken", "--json").json == [{"queue": "events", "id": "broken"}]
    events, jobs = orch(own, "queue", "list", "--json").json
    assert (events["waiting"], events["dead"], jobs["dead"]) == (2, 0, 1)


def test_all_are_put_back(own: Path) -> None:
    assert len(orch(own, "queue", "redrive", "--all", "--json").json) == 2
    assert orch(own, "queue", "dlq", "--json").json == []
    assert orch(own, "queue", "redrive", "--all", "--json").json == []


# Settings


def test_settings_are_shown_with_their_origin_and_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "own.yml").write_text("agents: [script]\ngithub_api_url: http://me:canary@127.0.0.1\n")
    (tmp_path / ".env").write_text("ORCH_PRIVATE_KEY=canary\nORCH_WEBHOOK_SECRET=canary\n")
    said = orch(tmp_path, "config", "show", "--json", "--config", "own.yml", APP_ID=7)
    rows = {row["name"]: (row["value"], row["origin"]) for row in said.json}
    assert "canary" not in said.stdout
    assert {
        name: rows[f"ORCH_{name}"] for name in ("APP_ID", "AGENTS", "WEBHOOK_SECRET", "PORT", "GITHUB_API_URL")
    } == {
        "APP_ID": ("7", "environment"),
        "AGENTS": ("script", "own.yml, line 1"),
        "WEBHOOK_SECRET": ("(set, not shown)", ".env"),
        "PORT": ("8080", "default"),
        "GITHUB_API_URL": ("http://[redacted]@127.0.0.1", "own.yml, line 2"),
    }


def test_settings_are_shown_though_some_are_wrong(tmp_path: Path) -> None:
    said = orch(tmp_path, "config", "show", PORT="many")
    assert "ORCH_PORT\tmany\tenvironment" in said.stdout.splitlines()
    assert (said.returncode, "ORCH_PORT (from environment): Input should be a valid integer" in said.stderr) == (
        2,
        True,
    )


# Mistakes

MISTAKES = {
    "no state": (["task", "list"], {"STATE_DIR": "gone"}, "there is no gone; set ORCH_STATE_DIR"),
    "no state for queues": (["queue", "list"], {"STATE_DIR": "gone"}, "there is no gone; set ORCH_STATE_DIR"),
    "not a task": (["task", "why", "project#12"], {}, "`project#12` is no task: write owner/repo#number"),
    "no such task": (["task", "show", "owner/project#99"], {}, "the store has no task owner/project#99"),
    "no such status": (["task", "list", "--status", "dnoe"], {}, "`dnoe` is no status; one of: new, routed"),
    "no such id": (["queue", "redrive", "gone"], {}, "nothing with the id gone was set aside"),
    "neither id nor all": (["queue", "redrive"], {}, "say either an id"),
    "both id and all": (["queue", "redrive", "x", "--all"], {}, "say either an id"),
    "neither task nor all": (["rebuild"], {}, "say either a task"),
    "settings missing": (["sweep"], {}, "settings: ORCH_AGENTS is not set"),
    "a typo": (["task", "list"], {"STAT_DIR": "x"}, "did you mean ORCH_STATE_DIR?"),
    "no such file": (["--config", "gone.yml", "task", "list"], {}, "gone.yml cannot be read"),
    "no such command": (["tsak"], {}, "No such command 'tsak'. Did you mean 'task'? (see `orch --help`)"),
    "no such option": (["task", "list", "--jsn"], {}, "No such option: --jsn"),
    "an argument missing": (["task", "why"], {}, "Missing argument 'OWNER/REPO#NUMBER'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_that_says_what_to_do(filled: Path, mistake: str) -> None:
    argv, settings, said = MISTAKES[mistake]
    assert said in orch(filled, *argv, **settings).error


def test_looking_makes_nothing(tmp_path: Path) -> None:
    for argv in (["task", "list"], ["queue", "list"], ["queue", "redrive", "--all"], ["config", "show"]):
        orch(tmp_path, *argv)
    assert list(tmp_path.iterdir()) == []


def test_a_lost_store_is_not_made_by_looking(own: Path) -> None:
    for file in (own / "state").glob("store.db*"):
        file.unlink()
    assert "`orch rebuild --all` reads it back" in orch(own, "task", "list").error
    assert list((own / "state").glob("store.db*")) == []


def test_a_file_that_is_no_database_is_named(own: Path) -> None:
    (own / "state" / "queue.db").write_bytes(b"no database" * 1000)
    assert "queue.db cannot be read: file is not a database" in orch(own, "queue", "list").error


def test_a_traceback_is_said_only_when_asked_for(filled: Path) -> None:
    said = orch(filled, "task", "why", "nonsense", "--debug")
    assert (said.returncode, said.stderr.startswith("Traceback"), "parse_task" in said.stderr) == (2, True, True)


def test_a_mistake_of_our_own_is_one_line_too_and_another_status(own: Path) -> None:
    with closing(sqlite3.connect(own / "state" / "store.db")) as store:
        store.execute("INSERT INTO documents VALUES ('repository:9', 'record/1', 1, '{}', NULL)")
        store.commit()
    said = orch(own, "task", "list")
    [line] = said.stderr.splitlines()
    assert (said.returncode, line.split(":")[1].strip()) == (1, "a mistake of Orch itself (--debug says where)")


# Everything else


def test_help_names_every_command(tmp_path: Path) -> None:
    said = orch(tmp_path, "--help")
    missing = [name for name in ("serve", "runner", "hub", "task", "queue", "config") if name not in said.stdout]
    assert (said.returncode, missing, orch(tmp_path, "task").returncode) == (0, [], 2)


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    assert orch(tmp_path, "--version").stdout.split()[0] == "orch"


def test_a_shell_completes_commands(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "_ORCH_COMPLETE": "complete_bash", "COMP_WORDS": "orch task ", "COMP_CWORD": "2"}
    done = subprocess.run([str(ORCH)], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["list", "show", "why"]
