"""Copies of SQLite files that others write meanwhile, all of one moment."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from app.domain.errors import Permanent
from infra.sqlite.database import BUSY_SECONDS, Schema


def copy_at_one_moment(copies: Mapping[Path, Path]) -> None:
    """Copy each file to where it is mapped to, all as they were at one moment, which is after this was called.

    Who writes to them waits for no longer than it takes to begin. Raises sqlite3.Error if a file cannot be read, or is
    written by somebody for ten seconds without a pause.
    """
    with ExitStack() as stack:
        readers = [stack.enter_context(closing(_connect(path))) for path in copies]
        _begin_at_once(list(copies), readers)
        for reader, target in zip(readers, copies.values(), strict=True):
            with closing(sqlite3.connect(target)) as copy:
                reader.backup(copy)


def _begin_at_once(paths: Sequence[Path], readers: Sequence[sqlite3.Connection]) -> None:
    """Let each reader see its file as of now for as long as it reads: nobody commits to any while all of them begin."""
    with ExitStack() as locks:
        for path in paths:
            locks.enter_context(closing(_connect(path))).execute("BEGIN IMMEDIATE")
        for reader in readers:
            reader.execute("BEGIN")
            reader.execute("PRAGMA user_version").fetchone()  # only with the first look does what is seen stand


def require_sound(path: Path, schema: Schema) -> None:
    """Raise Permanent if the file is damaged, or of a newer Orch."""
    with closing(_connect(path)) as connection:
        try:
            [(version,)] = connection.execute("PRAGMA user_version")
            found = [row for (row,) in connection.execute("PRAGMA integrity_check(1)")]
        except sqlite3.DatabaseError as error:
            raise Permanent(f"{path.name} is damaged: {error}") from error
    if found != ["ok"]:
        raise Permanent(f"{path.name} is damaged: {found[0]}")
    if version > len(schema):
        raise Permanent(f"{path.name} has schema version {version}, this Orch knows {len(schema)}: use the newer Orch")


def _connect(path: Path) -> sqlite3.Connection:
    """Open a file that is there: SQLite would make an empty one otherwise."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
