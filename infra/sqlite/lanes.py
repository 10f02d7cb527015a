"""The queue in SQL: messages in lanes, each lane in order and one message at a time.

Every function runs inside a transaction of its caller. Times are seconds since the epoch.
"""

from dataclasses import dataclass
from sqlite3 import Connection
from typing import NamedTuple

from app.ports import LeaseLost

PURGE_EVERY = 13
"""A prime: the seats of events and jobs in one sequence may follow a rhythm."""
PURGE = 52


class Message(NamedTuple):
    """What is put on a queue; `due` is when it may first be received."""

    queue: str
    lane: str
    id: str
    body: bytes
    due: float


@dataclass(frozen=True, slots=True)
class Held:
    """A message in flight. `head` and `receives` fence it: no two receives share both."""

    queue: str
    lane: str
    head: int
    receives: int
    failures: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Dead:
    """A message set aside."""

    lane: str
    id: str
    body: bytes
    reason: str
    failures: int
    died: float


@dataclass(frozen=True, slots=True)
class Load:
    """How many messages a queue has, and for how many seconds one has waited, at most."""

    waiting: int
    in_flight: int
    later: int
    oldest: float | None


def accept(connection: Connection, message: Message, now: float) -> bool:
    """Add the message; False if its id is in its lane already, or still taken there."""
    added = connection.execute(
        "INSERT INTO messages (queue, lane, id, body, due) SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS"
        " (SELECT 1 FROM accepted WHERE queue = ?1 AND lane = ?2 AND id = ?3 AND until > ?6) ON CONFLICT DO NOTHING",
        (*message, now),
    )
    if not added.rowcount:
        return False
    assert added.lastrowid
    _open_lane(connection, message, added.lastrowid)
    return True


def _open_lane(connection: Connection, message: Message, head: int) -> None:
    connection.execute(
        "INSERT INTO lanes (queue, name, head, due) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (message.queue, message.lane, head, message.due),
    )


def _keep_taken(connection: Connection, held: Held, now: float, window: float) -> None:
    """Keep the id of a message that goes taken until the window is over; it begins where the message may be received.

    Not before: as long as a message is in its lane it keeps its id itself, and a burst of them has less to write.
    """
    kept = connection.execute(
        "REPLACE INTO accepted (queue, lane, id, until)"
        " SELECT queue, lane, id, due + ?1 FROM messages WHERE seq = ?2 AND due + ?1 > ?3",
        (window, held.head, now),
    )
    if kept.rowcount and held.head % PURGE_EVERY == 0:
        _purge(connection, held.queue, now)


def _purge(connection: Connection, queue: str, now: float) -> None:
    """Forget a few ids whose window is over: more than come in meanwhile, and never so many that others wait."""
    connection.execute(
        "DELETE FROM accepted WHERE rowid IN (SELECT rowid FROM accepted WHERE queue = ? AND until <= ? LIMIT ?)",
        (queue, now, PURGE),
    )


def take(connection: Connection, queue: str, now: float, until: float) -> Held | float | None:
    """Hold the message that has been due longest; else return when the next one is, or None if there is none."""
    row = connection.execute(
        "SELECT name, head, due, receives, failures FROM lanes WHERE queue = ? ORDER BY due, head LIMIT 1", (queue,)
    ).fetchone()
    if row is None:
        return None
    lane, head, due, receives, failures = row
    if due > now:
        return float(due)
    connection.execute(
        "UPDATE lanes SET held = 1, receives = receives + 1, due = ? WHERE queue = ? AND name = ?", (until, queue, lane)
    )
    (body,) = connection.execute("SELECT body FROM messages WHERE seq = ?", (head,)).fetchone()
    return Held(queue, lane, head, receives + 1, failures, body)


def extend(connection: Connection, held: Held, now: float, until: float) -> None:
    """Move the end of the lease."""
    _require(connection, held, now)
    connection.execute("UPDATE lanes SET due = ? WHERE queue = ? AND name = ?", (until, held.queue, held.lane))


def give_back(connection: Connection, held: Held, now: float, due: float, failures: int) -> None:
    """End the lease; the lane waits until `due` and begins with the same message."""
    _require(connection, held, now)
    connection.execute(
        "UPDATE lanes SET held = 0, due = ?, failures = ? WHERE queue = ? AND name = ?",
        (due, failures, held.queue, held.lane),
    )


def remove(connection: Connection, held: Held, now: float, window: float) -> None:
    """Take the message off for good; its id stays taken until the window is over, and the lane goes on."""
    _require(connection, held, now)
    if window:
        _keep_taken(connection, held, now, window)
    _drop_head(connection, held)


def bury(connection: Connection, held: Held, now: float, reason: str, failures: int) -> None:
    """Set the message aside; its id may be sent again at once, and the lane goes on."""
    _require(connection, held, now)
    connection.execute(
        "REPLACE INTO dead (queue, lane, id, body, reason, failures, died)"
        " SELECT queue, lane, id, body, ?, ?, ? FROM messages WHERE seq = ?",
        (reason, failures, now, held.head),
    )
    _drop_head(connection, held)


def redrive(connection: Connection, queue: str, message_id: str, now: float) -> bool:
    """Put the dead of that id back at the ends of their lanes; one sent again meanwhile is not doubled."""
    found = dead_of(connection, queue, message_id)
    for dead in found:
        accept(connection, Message(queue, dead.lane, dead.id, dead.body, now), now)
    connection.execute("DELETE FROM dead WHERE queue = ? AND id = ?", (queue, message_id))
    return bool(found)


def dead_of(connection: Connection, queue: str, message_id: str | None = None) -> list[Dead]:
    """List the dead, all or those of an id, the first to die first."""
    rows = connection.execute(
        "SELECT lane, id, body, reason, failures, died FROM dead"
        " WHERE queue = ? AND id = ifnull(?, id) ORDER BY died, rowid",
        (queue, message_id),
    )
    return [Dead(*row) for row in rows]


def depth(connection: Connection, queue: str) -> int:
    """Count the messages that wait or are held."""
    (count,) = connection.execute("SELECT count(*) FROM messages WHERE queue = ?", (queue,)).fetchone()
    return int(count)


def backlog(connection: Connection, queue: str, now: float) -> Load:
    """Count the messages that wait, that are held, and that wait until a later time; a held lane holds its first."""
    rows = connection.execute(
        "SELECT held AND lanes.due > ?1, lanes.due > ?1, count(*),"
        " min(iif(held AND lanes.due > ?1 AND seq = head, NULL, messages.due)) FROM lanes"
        " JOIN messages ON messages.queue = lanes.queue AND lane = name WHERE lanes.queue = ?2 GROUP BY 1, 2, name",
        (now, queue),
    ).fetchall()
    held = sum(1 for is_held, _, _, _ in rows if is_held)
    later = sum(count for is_held, is_later, count, _ in rows if is_later and not is_held)
    since = [first for is_held, is_later, _, first in rows if first is not None and (is_held or not is_later)]
    waiting = sum(count for _, _, count, _ in rows) - held - later
    return Load(waiting, held, later, max(now - min(since), 0) if since else None)


def _require(connection: Connection, held: Held, now: float) -> None:
    current = connection.execute(
        "SELECT 1 FROM lanes WHERE queue = ? AND name = ? AND head = ? AND receives = ? AND held AND due > ?",
        (held.queue, held.lane, held.head, held.receives, now),
    ).fetchone()
    if current is None:
        raise LeaseLost


def _drop_head(connection: Connection, held: Held) -> None:
    connection.execute("DELETE FROM messages WHERE seq = ?", (held.head,))
    following = connection.execute(
        "SELECT seq, due FROM messages WHERE queue = ? AND lane = ? ORDER BY seq LIMIT 1", (held.queue, held.lane)
    ).fetchone()
    if following is None:
        connection.execute("DELETE FROM lanes WHERE queue = ? AND name = ?", (held.queue, held.lane))
        return
    connection.execute(
        "UPDATE lanes SET head = ?, due = ?, held = 0, receives = 0, failures = 0 WHERE queue = ? AND name = ?",
        (*following, held.queue, held.lane),
    )
