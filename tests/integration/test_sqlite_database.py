"""What the SQLite adapters add to their ports: shared commits, schema versions, stopping, files that vanish."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain.envelope import Envelope, Source
from app.domain.errors import Permanent, Retryable
from app.ports import Document
from infra.local.artifacts import DiskArtifacts
from infra.local.clock import SystemClock
from infra.sqlite.database import Database
from infra.sqlite.events import SqliteEventQueue
from infra.sqlite.jobs import SqliteJobQueue
from infra.sqlite.migrations import QUEUE, STORE
from infra.sqlite.store import SqliteStore

NOTES = (["CREATE TABLE notes (text TEXT UNIQUE)"],)


def envelope(name: str) -> Envelope:
    received_at = datetime(2026, 1, 1, tzinfo=UTC)
    return Envelope(id=name, group="g", source=Source.ORCH, name="tick", body=b"", received_at=received_at)


def insert(text: str) -> Callable[[sqlite3.Connection], None]:
    def operation(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO notes VALUES (?)", (text,))

    return operation


def insert_and_fail(connection: sqlite3.Connection) -> None:
    insert("failed")(connection)
    raise LookupError


def notes(connection: sqlite3.Connection) -> list[str]:
    return [text for (text,) in connection.execute("SELECT text FROM notes ORDER BY text")]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with await Database.open(tmp_path / "notes.db", NOTES, durable=True) as opened:
        yield opened


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[Database]:
    async with await Database.open(tmp_path / "queue.db", QUEUE, durable=True) as opened:
        yield opened


def events_of(queue: Database) -> SqliteEventQueue:
    return SqliteEventQueue(queue, SystemClock(), lease_seconds=30, max_failures=3)


# One writer


async def in_one_commit(database: Database, *operations: Callable[[sqlite3.Connection], None]) -> list[type]:
    """Submit all while the writer is busy, so that they share a commit; return the types of what they gave."""
    busy, go = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        busy.set()
        go.wait()

    holding = database.submit(hold)
    await asyncio.to_thread(busy.wait)
    writing = [database.submit(operation) for operation in operations]
    go.set()
    await holding
    return [type(result) for result in await asyncio.gather(*writing, return_exceptions=True)]


async def test_an_operation_that_fails_undoes_itself_and_no_other(database: Database) -> None:
    results = await in_one_commit(database, insert("a"), insert_and_fail, insert("b"), insert("a"), insert("c"))
    assert results == [type(None), LookupError, type(None), sqlite3.IntegrityError, type(None)]
    assert await database.read(notes) == ["a", "b", "c"]


async def test_a_commit_that_fails_fails_all_in_it_and_the_next_one_works(database: Database) -> None:
    def lose_the_transaction(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")
        raise sqlite3.OperationalError("disk is full")

    results = await in_one_commit(database, insert("a"), lose_the_transaction, insert("b"))
    assert results == [sqlite3.OperationalError] * 3
    await database.write(insert("c"))
    assert await database.read(notes) == ["c"]


async def test_a_disk_that_is_full_is_said_to_pass_and_does(database: Database) -> None:
    await database.write(lambda at: at.execute("PRAGMA max_page_count=10"))
    with pytest.raises(Retryable, match="database or disk is full; is there room on the disk"):
        await database.write(insert("a" * 100_000))
    await database.write(lambda at: at.execute("PRAGMA max_page_count=1000"))
    await database.write(insert("b"))
    assert await database.read(notes) == ["b"]


async def test_a_write_is_done_though_its_caller_is_gone(database: Database) -> None:
    writing = asyncio.create_task(database.write(insert("a")))
    await asyncio.sleep(0)
    writing.cancel()
    await database.write(insert("b"))
    assert await database.read(notes) == ["a", "b"]
    assert writing.cancelled()


async def test_only_what_is_to_last_waits_for_the_disk(database: Database) -> None:
    def level(connection: sqlite3.Connection) -> int:
        (found,) = connection.execute("PRAGMA synchronous").fetchone()
        return int(found)

    full, normal = 2, 1
    levels = [await database.write(level, lasting=lasting) for lasting in (True, False, False, True, False)]
    assert levels == [full, normal, normal, full, normal]
    assert await asyncio.gather(*(database.write(level, lasting=lasting) for lasting in (False, True))) == [full, full]


async def test_closing_finishes_what_was_submitted(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "notes.db", NOTES, durable=False)
    writing = [database.submit(insert(f"{n:03}")) for n in range(500)]
    await database.close()
    await database.close()
    assert all(write.done() for write in writing)
    with closing(sqlite3.connect(tmp_path / "notes.db")) as connection:
        assert len(notes(connection)) == 500


async def test_a_closed_database_says_so(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "notes.db", NOTES, durable=False)
    await database.close()
    with pytest.raises(RuntimeError, match="closed"):
        await database.write(insert("a"))


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await database.read(insert("a"))


async def test_two_who_open_a_file_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    opened = await asyncio.gather(*(Database.open(path, NOTES, durable=True) for _ in range(8)))
    writes = [
        database.write(insert(f"{n}"))
        for number, database in enumerate(opened)
        for n in range(10 * number, 10 * number + 10)
    ]
    await asyncio.gather(*writes)
    assert len(await opened[0].read(notes)) == 80
    for database in opened:
        await database.close()


async def test_opening_waits_for_one_who_is_just_making_the_file(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "notes.db", isolation_level=None)) as maker:
        maker.execute("BEGIN EXCLUSIVE")
        opening = asyncio.create_task(Database.open(tmp_path / "notes.db", NOTES, durable=True))
        done, _ = await asyncio.wait({opening}, timeout=0.1)
        assert not done
        maker.execute("ROLLBACK")
        await (await opening).close()


# Schema


async def test_a_schema_grows_version_by_version(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    async with await Database.open(path, NOTES, durable=True) as database:
        await database.write(insert("a"))
    newer = (*NOTES, ["INSERT INTO notes VALUES ('b')", "INSERT INTO notes VALUES ('c')"])
    for _ in range(2):
        async with await Database.open(path, newer, durable=True) as database:
            assert await database.read(notes) == ["a", "b", "c"]


async def test_a_version_that_cannot_be_reached_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        await Database.open(path, (*NOTES, ["INSERT INTO nowhere VALUES (1)"]), durable=True)
    async with await Database.open(path, NOTES, durable=True) as database:
        assert await database.read(notes) == []


async def test_a_file_of_a_newer_version_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    await (await Database.open(path, (*NOTES, []), durable=True)).close()
    with pytest.raises(Permanent, match=r"notes\.db has schema version 2, this Orch knows 1"):
        await Database.open(path, NOTES, durable=True)


# The queues


async def test_a_stopped_queue_ends_the_waiting(queue: Database) -> None:
    events = events_of(queue)
    waiting = [asyncio.create_task(events.receive(3600)) for _ in range(3)]
    await asyncio.sleep(0)
    events.stop()
    assert await asyncio.gather(*waiting) == [None] * 3
    await events.send(envelope("a"))
    assert await events.receive(3600) is None


async def test_what_a_receive_is_just_taking_when_it_is_stopped_it_returns(queue: Database) -> None:
    events = events_of(queue)
    await events.send(envelope("a"))
    waiting = asyncio.create_task(events.receive(3600))
    await asyncio.sleep(0)
    events.stop()
    lease = await waiting
    assert lease is not None
    await lease.release()


async def test_what_a_cancelled_receive_took_is_free_after_closing(tmp_path: Path) -> None:
    for number in range(2):
        async with await Database.open(tmp_path / "queue.db", QUEUE, durable=True) as queue:
            events = events_of(queue)
            assert await events.send(envelope("a")) is (number == 0)
            receiving = asyncio.create_task(events.receive(0))
            await asyncio.sleep(0)
            receiving.cancel()
    async with await Database.open(tmp_path / "queue.db", QUEUE, durable=True) as queue:
        assert await events_of(queue).receive(0) is not None


async def test_an_envelope_that_cannot_be_read_is_set_aside_and_its_group_goes_on(queue: Database) -> None:
    events = events_of(queue)
    await events.send(envelope("a"))
    await events.send(envelope("b"))
    await queue.write(lambda c: c.execute("UPDATE messages SET body = ? WHERE id = 'a'", (b'{"future": 1}',)))
    lease = await events.receive(0)
    assert lease is not None
    assert lease.item == envelope("b")
    (letter,) = await events.dead_letters()
    assert (letter.envelope.id, letter.envelope.group, letter.envelope.body) == ("a", "g", b'{"future": 1}')
    assert letter.reason.startswith("Unreadable: ")


async def test_the_queues_of_one_file_are_apart(queue: Database) -> None:
    events = events_of(queue)
    jobs = SqliteJobQueue(queue, SystemClock(), lease_seconds=30, max_failures=3)
    await events.send(envelope("a"))
    assert (await jobs.receive(0), await jobs.depth(), await events.depth()) == (None, 0, 1)
    jobs.stop()
    assert await jobs.receive(3600) is None
    assert await events.receive(3600) is not None


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM lanes WHERE queue = ? ORDER BY due, head LIMIT 1",
        "SELECT * FROM messages WHERE queue = ? AND lane = ? ORDER BY seq LIMIT 1",
        "SELECT * FROM accepted WHERE queue = ? AND until <= ? LIMIT 1",
    ],
)
async def test_no_question_of_the_queue_scans_or_sorts(queue: Database, query: str) -> None:
    values = ("events", "g")[: query.count("?")]
    plan = await queue.read(lambda c: c.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall())
    assert [step[3].split()[0] for step in plan] == ["SEARCH"]


# The store


async def test_a_store_that_was_deleted_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    left = await Database.open(path, STORE, durable=False)
    await SqliteStore(left, SystemClock()).commit("p", {"a": {}})
    path.unlink()  # with its log still there, as after a kill
    async with await Database.open(path, STORE, durable=False) as made:
        store = SqliteStore(made, SystemClock())
        assert await store.query("p") == []
        await store.commit("p", {"b": {}})
        assert await store.query("p") == [Document("b", 1, {})]
    await left.close()


async def test_expired_documents_are_removed_by_later_writes(tmp_path: Path) -> None:
    async with await Database.open(tmp_path / "store.db", STORE, durable=False) as database:
        clock = SystemClock()
        store = SqliteStore(database, clock)
        before = clock.now() - timedelta(seconds=1)
        await store.commit("p", {f"{n}": {} for n in range(50)}, expires={f"{n}": before for n in range(50)})
        for number in range(3):
            await store.commit("other", {f"{number}": {}})
        rows = await database.read(lambda c: c.execute("SELECT count(*) FROM documents").fetchone())
        assert rows == (3,)


# Artifacts


async def test_a_folder_that_cannot_be_written_is_said_to_pass() -> None:
    artifacts = DiskArtifacts(Path("/sys/orch-artifacts"))
    for write in (artifacts.write, artifacts.append):
        with pytest.raises(Retryable, match=r"/sys/orch-artifacts/a cannot be written: .*; is there room on the disk"):
            await write("a", b"1")


async def test_a_write_leaves_no_other_file_behind(tmp_path: Path) -> None:
    artifacts = DiskArtifacts(tmp_path)
    await artifacts.write("a/b", b"1")
    await artifacts.write("a/b", b"2")
    with pytest.raises(IsADirectoryError):
        await artifacts.write("a", b"3")
    assert names_under(tmp_path) == ["a", "a/b"]


def names_under(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


async def test_what_is_there_is_opened_beside_others_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with (
        await Database.open(path, NOTES, durable=True) as first,
        await Database.open_existing(path, NOTES) as beside,
    ):
        await first.write(insert("a"))
        assert await beside.read(notes) == ["a"]


async def test_what_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="there is no"):
        await Database.open_existing(tmp_path / "new" / "a.db", NOTES)
    assert not (tmp_path / "new").exists()


async def test_a_file_of_another_version_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with await Database.open(path, NOTES, durable=True):
        pass
    with pytest.raises(Permanent, match="schema version"):
        await Database.open_existing(path, (*NOTES, ["CREATE TABLE more (a)"]))
