"""The board in the store: a small head that says which state counts, and a document per repository."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from app.domain.admission import Board, Held
from app.domain.jobs import Job
from app.domain.lines import Line, Waiting
from app.domain.names import ADMISSION, Repository, TaskRef, split_group
from app.ports import Conflict, Document, Store

PARTITION, ITEM = split_group(ADMISSION)
HEAD = f"record/{ITEM}"
LINES = f"line/{ITEM}/"
FORMAT = 2
AT_ONCE = 20
"""Documents that one write takes besides those of a decision."""
Body = Mapping[str, Any]


class Boards:
    """Read the board, and tell which documents another one changes.

    What was read or written last is kept, and counts for as long as the head has the same version: each write of a
    line is one of the head too. A store that holds the board as one document is read too, and split at its next write.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._version = 0
        self._board: Board | None = None
        self._stored: Mapping[int, Line | None] = {}
        self._slots: tuple[Mapping[str, Held], Body] | None = None

    async def load(self) -> tuple[Board | None, int]:
        """Return the board and the version of its head; (None, 0) if there is none."""
        return await self.under(await self._store.get(PARTITION, HEAD))

    async def under(self, head: Document | None) -> tuple[Board | None, int]:
        """Return the board of a head that was just read, with its version."""
        if head is None:
            self._version, self._board, self._stored = 0, None, {}
        elif head.version != self._version:
            lines = [unpack_line(one.body) for one in await self._store.query(PARTITION, LINES)]
            if "format" in head.body:
                self.note(unpack_head(head.body, lines), head.version)
            else:
                board = read_old(head.body)
                self._version, self._board = head.version, board
                self._stored = dict.fromkeys(line.repository.id for line in lines)
        return self._board, self._version

    def note(self, board: Board, version: int) -> None:
        """Keep what is in the store now."""
        self._version, self._board, self._stored = version, board, board.lines

    async def split(self, board: Board, version: int) -> tuple[dict[str, Body], list[str]]:
        """Return the documents to put and the keys to delete for this board instead of that version.

        Raises Conflict if it is no longer that version. Those of an older store's board that are too many for one
        write are written here: they count only once the head says so.
        """
        if version != self._version or not version:
            await self.load()
        if version != self._version:
            raise Conflict(f"{ADMISSION}: expected version {version}, found {self._version}")
        changed = _changed(self._stored, board.lines)
        while len(changed) > AT_ONCE:
            first = dict(islice(changed.items(), AT_ONCE))
            puts, deletes = _documents(first)
            await self._store.commit(PARTITION, puts, deletes, {HEAD: version})
            changed = {key: line for key, line in changed.items() if key not in first}
        puts, deletes = _documents(changed)
        return {HEAD: self._pack(board), **puts}, deletes

    def _pack(self, board: Board) -> Body:
        """Use again what the head says of the slots while they are the same: most that comes has to wait."""
        if self._slots is None or self._slots[0] is not board.holding:
            self._slots = board.holding, pack_slots(board.holding)
        return {**pack_turns(board), **self._slots[1]}


def _changed(stored: Mapping[int, Line | None], lines: Mapping[int, Line]) -> dict[int, Line | None]:
    """Return the lines that are another value than those stored; None for those that are gone."""
    gone = dict.fromkeys(stored.keys() - lines.keys())
    return {**gone, **{key: line for key, line in lines.items() if stored.get(key) is not line}}


def _documents(lines: Mapping[int, Line | None]) -> tuple[dict[str, Body], list[str]]:
    puts = {f"{LINES}{key}": pack_line(line) for key, line in lines.items() if line}
    return puts, [f"{LINES}{key}" for key, line in lines.items() if line is None]


class _Places:
    """Repositories by number, so that each is written once and not with every job."""

    def __init__(self) -> None:
        self._bodies = list[Body]()
        self._numbers = dict[tuple[Any, ...], int]()
        self._last: tuple[Repository, int] | None = None

    def number(self, repository: Repository) -> int:
        """Compare by content only what is not the same object as the last: that takes a while."""
        if self._last is None or self._last[0] is not repository:
            body = vars(repository)
            number = self._numbers.setdefault(tuple(body.values()), len(self._bodies))
            if number == len(self._bodies):
                self._bodies.append(body)
            self._last = repository, number
        return self._last[1]

    def pack(self) -> list[Body]:
        return self._bodies


def pack_line(line: Line) -> Body:
    """Return a line as a document."""
    places = _Places()
    here = places.number(line.repository)
    waiting = [_pack_waiting(one, places) for one in line.waiting]
    locks = [[lock.number, lock.paths, lock.sure] for lock in line.locks]
    rest = {"most": line.most, "look_at": line.look_at}
    return {"repository": here, "places": places.pack(), "waiting": waiting, "locks": locks, **rest}


def unpack_line(body: Body) -> Line:
    """Read a line."""
    places = _unpack_places(body)
    return Line.model_validate(
        {
            "repository": places[body["repository"]],
            "most": body["most"],
            "look_at": body["look_at"],
            "waiting": tuple(_waiting(row, places) for row in body["waiting"]),
            "locks": [{"number": number, "paths": paths, "sure": sure} for number, paths, sure in body["locks"]],
        }
    )


def pack_head(board: Board) -> Body:
    """Return what is not in the lines as a document."""
    return {**pack_turns(board), **pack_slots(board.holding)}


def pack_slots(holding: Mapping[str, Held]) -> Body:
    """Return who has a slot, as a part of the head."""
    places = _Places()
    rows = [[*_pack_job(held.job, places), held.agent] for held in holding.values()]
    return {"holding": rows, "places": places.pack()}


def pack_turns(board: Board) -> Body:
    """Return whose turn it was, and who gets no slot, as a part of the head."""
    return {
        "format": FORMAT,
        "turn": board.turn,
        "installations": [*board.installations.items()],
        "repositories": [*board.repositories.items()],
        "parked": dict(board.parked),
        "asked": dict(board.asked),
        "late": dict(board.late),
    }


def unpack_head(body: Body, lines: Iterable[Line]) -> Board:
    """Read a head, and join it with its lines."""
    places = _unpack_places(body)
    held = [Held(job=_unpack_job(row, places), agent=row[-1]) for row in body["holding"]]
    return Board(
        lines={line.repository.id: line for line in lines},
        holding={one.job.id: one for one in held},
        turn=body["turn"],
        installations=dict(body["installations"]),
        repositories=dict(body["repositories"]),
        parked=body["parked"],
        asked=body.get("asked", {}),
        late=body["late"],
    )


def read_old(body: Body) -> Board:
    """Read the board as one document, as it was kept before there were lines."""
    board = Board(holding={name: Held(job=Job.model_validate(job)) for name, job in body["holding"].items()})
    for one in body["waiting"].values():
        job = Job.model_validate(one["job"])
        board = board.want(Waiting(job=job, since=one["since"]), one["most"], one["since"])
    return board


def _unpack_places(body: Body) -> Sequence[Repository]:
    return [Repository.model_validate(place) for place in body["places"]]


def _pack_waiting(one: Waiting, places: _Places) -> list[object]:
    trace = [one.job.trace] if one.job.trace else []
    return [*_pack_job(one.job, places), one.since, one.priority, one.agent, one.locks, one.told, *trace]


def _pack_job(job: Job, places: _Places) -> tuple[object, ...]:
    task = job.task
    return job.id, job.kind, places.number(task.repository), task.number, job.attempt, job.step


def _unpack_job(row: Sequence[Any], places: Sequence[Repository]) -> Job:
    identity, kind, place, number, attempt, step = row[:6]
    task = TaskRef(repository=places[place], number=number)
    return Job(id=identity, kind=kind, task=task, attempt=attempt, step=step)


def _waiting(row: Sequence[Any], places: Sequence[Repository]) -> Waiting:
    since, priority, agent, locks, told, *trace = row[6:]
    job = _unpack_job(row, places)
    if trace:
        job = job.model_copy(update={"trace": trace[0]})
    return Waiting(job=job, since=since, priority=priority, agent=agent, locks=tuple(locks), told=tuple(told))
