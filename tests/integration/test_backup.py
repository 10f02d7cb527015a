"""`orch backup` copies the state while Orch works on it; `orch restore` puts it back where none is."""

import asyncio
import io
import json
import os
import sqlite3
import subprocess
import tarfile
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.domain.errors import Permanent, UserError
from app.entry.backup import back_up
from app.entry.restore import restore
from app.settings import StateSettings
from infra.local.artifacts import DiskArtifacts
from infra.sqlite.database import Database
from infra.sqlite.migrations import QUEUE, STORE
from infra.sqlite.snapshot import copy_at_one_moment
from tests.e2e.processes import ORCH
from tests.e2e.world import World
from tests.integration.test_web import signed

SOON_OVER: dict[str, Any] = {"JOB_LEASE": 4, "RUN_LEASE": 4, "EVENT_LEASE": 4}
"""Leases of a process that is killed: what it held is waited for."""


def state(folder: Path) -> StateSettings:
    return StateSettings(state_dir=folder)


@pytest.fixture
async def kept(tmp_path: Path) -> Path:
    """A state directory as Orch leaves it."""
    folder = tmp_path / "state"
    for name, schema in {"queue.db": QUEUE, "store.db": STORE}.items():
        async with await Database.open(folder / name, schema, durable=True):
            pass
    put(folder / "store.db", "a task")
    artifacts = DiskArtifacts(folder / "artifacts")
    await artifacts.write("tasks/7/5/text", b"Add hello")
    await artifacts.append("runs/r1/events.jsonl", b'{"said": "hello"}\n')
    (folder / "artifacts/tasks/7/5/~unfinished").write_bytes(b"half")
    (folder / "repositories").mkdir()
    return folder


def put(file: Path, key: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("INSERT INTO documents (partition, key, version, body) VALUES ('task', ?, 1, '{}')", (key,))


def documents(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [key for (key,) in connection.execute("SELECT key FROM documents ORDER BY key")]


def files(folder: Path) -> dict[str, bytes]:
    """Read all files of a state but databases."""
    found = [path for path in folder.rglob("*") if path.is_file() and ".db" not in path.name]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_what_was_backed_up_is_restored(kept: Path, tmp_path: Path) -> None:
    made = back_up(state(kept), tmp_path / "backup")
    put(kept / "store.db", "a later task")
    assert restore(state(tmp_path / "elsewhere"), tmp_path / "backup") == made
    assert (made.files, made.store) == (4, True)
    assert documents(tmp_path / "elsewhere/store.db") == ["a task"]
    assert files(tmp_path / "elsewhere") == {
        "artifacts/runs/r1/events.jsonl": b'{"said": "hello"}\n',
        "artifacts/tasks/7/5/text": b"Add hello",
    }


def test_only_who_made_a_backup_may_read_it(kept: Path, tmp_path: Path) -> None:
    back_up(state(kept), tmp_path / "backup")
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600


def test_the_store_may_be_left_out(kept: Path, tmp_path: Path) -> None:
    back_up(state(kept), tmp_path / "backup")
    restore(state(tmp_path / "elsewhere"), tmp_path / "backup", with_store=False)
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["artifacts", "queue.db"]


def test_a_state_without_a_store_is_one_too(kept: Path, tmp_path: Path) -> None:
    (kept / "store.db").unlink()
    made = back_up(state(kept), tmp_path / "backup")
    assert (restore(state(tmp_path / "elsewhere"), tmp_path / "backup"), made.store) == (made, False)


def test_it_goes_through_a_pipe(kept: Path, tmp_path: Path) -> None:
    whole = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    backup = subprocess.run(
        [ORCH, "backup", "-"], cwd=tmp_path, env=whole | {"ORCH_STATE_DIR": str(kept)}, capture_output=True, check=True
    )
    done = subprocess.run(
        [ORCH, "restore", "-"],
        cwd=tmp_path,
        env=whole | {"ORCH_STATE_DIR": str(tmp_path / "elsewhere")},
        input=backup.stdout,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert documents(tmp_path / "elsewhere/store.db") == ["a task"]


def test_no_file_is_written_over(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "backup").write_text("of yesterday")
    with pytest.raises(UserError, match="is there already"):
        back_up(state(kept), tmp_path / "backup")
    assert (tmp_path / "backup").read_text() == "of yesterday"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "state"]


def test_a_state_is_never_written_over(kept: Path, tmp_path: Path) -> None:
    back_up(state(kept), tmp_path / "backup")
    with pytest.raises(
        UserError, match=r"holds artifacts, queue\.db, repositories, \.\.\., and nothing is overwritten"
    ):
        restore(state(kept), tmp_path / "backup")


def test_the_key_that_setup_left_is_no_state(kept: Path, tmp_path: Path) -> None:
    back_up(state(kept), tmp_path / "backup")
    (tmp_path / "elsewhere/app").mkdir(parents=True)
    restore(state(tmp_path / "elsewhere"), tmp_path / "backup")
    assert (tmp_path / "elsewhere/queue.db").exists()


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def without_end(data: bytes) -> bytes:
    return packed({name: text for name, text in unpacked(data).items() if name != "manifest.json"})


def changed(data: bytes) -> bytes:
    return packed(unpacked(data) | {"artifacts/tasks/7/5/text": b"Add hullo"})


def climbing(data: bytes) -> bytes:
    return packed(unpacked(data) | {"artifacts/../../outside": b"out"})


def newer(data: bytes) -> bytes:
    found = unpacked(data)
    return packed(found | {"manifest.json": found["manifest.json"].replace(b'"format": 1', b'"format": 2')})


def unpacked(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: (tar.extractfile(member) or io.BytesIO()).read() for member in tar}


def packed(found: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in found.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (cut, "not all of one"),
        (without_end, "its end is missing"),
        (changed, "artifacts/tasks/7/5/text is not as it was written"),
        (climbing, "it holds 'artifacts/../../outside'"),
        (newer, "has format 2, this Orch knows 1"),
        (lambda _: b"no tar", "this is no backup of Orch"),
    ],
)
def test_what_is_not_whole_is_not_restored(
    kept: Path, tmp_path: Path, change: Callable[[bytes], bytes], said: str
) -> None:
    back_up(state(kept), tmp_path / "backup")
    (tmp_path / "backup").write_bytes(change((tmp_path / "backup").read_bytes()))
    with pytest.raises(Permanent) as refused:
        restore(state(tmp_path / "elsewhere"), tmp_path / "backup")
    assert said in str(refused.value)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("PRAGMA user_version=99", "queue.db has schema version 99"),
        ("PRAGMA writable_schema=1; DELETE FROM sqlite_schema WHERE name = 'lanes'", "queue.db is damaged"),
    ],
)
def test_a_database_that_this_orch_cannot_use_is_not_restored(
    kept: Path, tmp_path: Path, statement: str, said: str
) -> None:
    with closing(sqlite3.connect(kept / "queue.db")) as connection:
        connection.executescript(statement)
    back_up(state(kept), tmp_path / "backup")
    with pytest.raises(Permanent, match=said):
        restore(state(tmp_path / "elsewhere"), tmp_path / "backup")


def test_both_databases_are_of_one_moment(tmp_path: Path) -> None:
    """Somebody counts, in the first file and then in the second: never may the copies be more than one apart."""
    first, second = (tmp_path / name for name in ("first", "second"))
    for path in (first, second):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE counted AS SELECT 0 AS number")
            connection.commit()
    stop = threading.Event()
    counting = threading.Thread(target=count, args=(stop, first, second))
    counting.start()
    try:
        seen = [copies(first, second, tmp_path / str(number)) for number in range(30)]
    finally:
        stop.set()
        counting.join()
    assert {one - other for one, other in seen} <= {0, 1}
    assert seen[-1][0] > seen[0][0]


def count(stop: threading.Event, *paths: Path) -> None:
    with closing(sqlite3.connect(paths[0])) as first, closing(sqlite3.connect(paths[1])) as second:
        while not stop.is_set():
            for connection in (first, second):
                connection.execute("UPDATE counted SET number = number + 1")
                connection.commit()


def copies(first: Path, second: Path, folder: Path) -> tuple[int, int]:
    folder.mkdir()
    copy_at_one_moment({first: folder / "first", second: folder / "second"})
    with closing(sqlite3.connect(folder / "first")) as one, closing(sqlite3.connect(folder / "second")) as other:
        return (
            one.execute("SELECT number FROM counted").fetchone()[0],
            other.execute("SELECT number FROM counted").fetchone()[0],
        )


async def test_i1_what_was_acknowledged_before_a_backup_began_is_in_it(world: World) -> None:
    await world.start_orch(**SOON_OVER)
    issues = [await world.open_issue() for _ in range(2)]
    async with delivering(world) as taken:
        await until_taken(taken, 50)
        before = set(taken)
        backup = world.folder / "backup"
        await asyncio.to_thread(back_up, state(world.folder / "orch"), backup)
        await until_taken(taken, len(before) + 10)
    await world.kill_orch()
    (world.folder / "orch").rename(world.folder / "lost")
    await asyncio.to_thread(restore, state(world.folder / "orch"), backup)
    assert before <= known(world.folder / "orch/queue.db")
    await world.start_orch(**SOON_OVER)
    for issue in issues:
        await world.until_status(issue, "in_review")
    assert len(await world.pulls()) == len(issues)


@asynccontextmanager
async def delivering(world: World) -> AsyncIterator[list[str]]:
    """Deliver pushes of a tag one after the other, and note the id of each that is acknowledged."""
    taken: list[str] = []
    push = {"ref": "refs/tags/v1", "repository": await world.read(""), "installation": {"id": 1}}
    body = json.dumps(push).encode()
    headers = signed(body, world.about["webhook_secret"].encode()) | {"x-github-event": "push"}

    async def deliver() -> None:
        url = f"http://127.0.0.1:{world.port}/webhook"
        while True:
            headers["x-github-delivery"] = str(uuid4())
            async with world.session.post(url, data=body, headers=headers) as answer:
                assert (answer.status, await answer.text()) == (202, "taken")
            taken.append(headers["x-github-delivery"])

    async with asyncio.TaskGroup() as group:
        task = group.create_task(deliver())
        yield taken
        task.cancel()


async def until_taken(taken: list[str], least: int) -> None:
    while len(taken) < least:  # noqa: ASYNC110 - it is another task that appends
        await asyncio.sleep(0.005)


def known(queue: Path) -> set[str]:
    """List the ids of events that lie in a queue, were handled lately, or were set aside."""
    tables = ("messages", "accepted", "dead")
    select = " UNION ".join(f"SELECT id FROM {table} WHERE queue = 'events'" for table in tables)  # noqa: S608 - names
    with closing(sqlite3.connect(queue)) as connection:
        return {name for (name,) in connection.execute(select)}
