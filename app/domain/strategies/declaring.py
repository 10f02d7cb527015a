"""The paths that a task holds: what its issue declares, and what it was seen to touch besides."""

from collections.abc import Sequence

from app.domain.declared import read_declared
from app.domain.life import holds_paths
from app.domain.locks import outside, widen
from app.domain.record import TaskRecord
from app.domain.snapshot import Snapshot

MOST_STRAYED = 10
"""Paths that are told to people."""


def declare(record: TaskRecord, text: str, snapshot: Snapshot) -> tuple[TaskRecord, tuple[str, ...]]:
    """Return the record with the locks and the priority that text and labels ask for, and remarks on them.

    What the task holds stays its own, and so does what a plan said of it.
    """
    said = read_declared(text, snapshot.issue.labels if snapshot.issue else ())
    kept = record.locks if record.parent is not None or holds_paths(record) else ()
    changed = record.change(
        locks=widen(kept, said.locks), asked_priority=said.priority, strayed=record.strayed if kept else ()
    )
    return changed, said.remarks


def touch(record: TaskRecord, touched: Sequence[str]) -> TaskRecord:
    """Hold what a delivery of a task with locks touched besides them as well, and remember it for people."""
    besides = outside(record.locks, touched) if record.locks else ()
    if not besides:
        return record
    strayed = tuple(dict.fromkeys((*record.strayed, *besides)))[:MOST_STRAYED]
    return record.change(locks=widen(record.locks, besides), strayed=strayed)
