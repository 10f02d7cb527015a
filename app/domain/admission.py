"""Who goes next: the board of those who wait for a slot and those who have one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from app.domain.base import Value
from app.domain.jobs import Job
from app.domain.lines import Line, Waiting
from app.domain.locks import Claims
from app.domain.names import Repository
from app.domain.policy import Policy

LATE = 3600.0
"""Seconds for which a job that was freed before it was wanted is refused: the two overtook each other."""
MOST_LATE = 200
MOST_SERVED = 1000
"""Installations, and repositories, of which it is remembered when they last had a slot: of those forgotten it is long
ago."""


class Held(Value):
    """A job that has a slot, and the agent that works on it, empty if that is not known."""

    job: Job
    agent: str = ""


class Board(Value):
    """Waiting jobs and locks by repository, held slots by job id, and whose turn it is.

    `installations` and `repositories` say at which `turn` each last got a slot; `parked` until when an agent gets none,
    `asked` how many jobs were wanted of each, `late` since when a job is refused that was freed before it was wanted
    (Unix time, seconds).
    """

    lines: Mapping[int, Line] = {}
    holding: Mapping[str, Held] = {}
    turn: int = 0
    installations: Mapping[int, int] = {}
    repositories: Mapping[int, int] = {}
    parked: Mapping[str, float] = {}
    asked: Mapping[str, int] = {}
    late: Mapping[str, float] = {}

    @property
    def waiting(self) -> Mapping[str, Waiting]:
        """Return all that wait, by job id."""
        return {one.job.id: one for line in self.lines.values() for one in line.waiting}

    @property
    def waits(self) -> int:
        """Count the jobs that wait."""
        return sum(len(line.waiting) for line in self.lines.values())

    def line(self, repository: Repository) -> Line:
        """Return a repository's line, under its name of now; an empty one if it has none."""
        line = self.lines.get(repository.id)
        if line is None:
            return Line(repository=repository)
        return line if line.repository == repository else line.model_copy(update={"repository": repository})

    def put(self, line: Line) -> "Board":
        """Return the board with another line of that repository; an empty one is left out."""
        key = line.repository.id
        if self.lines.get(key) is line or (line.is_empty and key not in self.lines):
            return self
        left = {name: other for name, other in self.lines.items() if name != key or not line.is_empty}
        return self.model_copy(update={"lines": left if line.is_empty else {**left, key: line}})

    def want(self, wanted: Waiting, most: int | None, now: float) -> "Board":
        """Add a job to those that wait; one that has a slot, or was freed before this came, stays as it is.

        `most` is the limit that its repository sets itself.
        """
        job = wanted.job
        if job.id in self.holding or now - self.late.get(job.id, now - LATE) < LATE:
            return self
        before = self.line(job.task.repository)
        line = before.want(wanted)
        board = self if before.find(job.id) or not wanted.agent else self._count(wanted.agent)
        return board.put(line if line.most == most else line.model_copy(update={"most": most}))

    def _count(self, agent: str) -> "Board":
        return self.model_copy(update={"asked": {**self.asked, agent: self.asked.get(agent, 0) + 1}})

    def limit(self, repository_id: int, most: int | None) -> "Board":
        """Give a repository another limit of its own."""
        line = self.lines.get(repository_id)
        return self.put(line.model_copy(update={"most": most})) if line and line.most != most else self

    def free(self, job_id: str, now: float) -> "Board":
        """Take a job off the board, whether it waited or had a slot; its task's locks stay."""
        if job_id in self.holding:
            left = {name: held for name, held in self.holding.items() if name != job_id}
            return self.model_copy(update={"holding": left})
        line = next((line for line in self.lines.values() if line.find(job_id)), None)
        if line is not None:
            return self.put(line.drop(job_id))
        late = {name: at for name, at in self.late.items() if now - at < LATE}
        if job_id in late:
            return self
        return self.model_copy(update={"late": dict([*late.items(), (job_id, now)][-MOST_LATE:])})

    def park(self, agent: str, until: float, now: float) -> "Board":
        """Give an agent no slot until then; a time that is over, or sooner than one known, changes nothing."""
        if until <= max(now, self.parked.get(agent, now)):
            return self
        return self.model_copy(update={"parked": {**self.parked, agent: until}})

    def admit(self, policy: Policy, now: float, at_most: int) -> tuple["Board", tuple[Waiting, ...]]:
        """Give free slots away, at most so many, and their locks with them.

        No limit is passed: of all runs, of an installation's, of a repository's (the operator's and its own), of an
        agent's. A job whose agent is parked, or of whose locks another task holds one, is passed over, and the next
        of its repository looked at. Of the rest, next is

        1. the installation with fewest slots; of several, the one that got its last slot longest ago;
        2. in it the repository with fewest slots; of several, the one that got its last slot longest ago;
        3. in that the job of the highest priority; of several, the one that waits longest.

        So of installations with enough work each gets as many slots as the others, and one more or less at any
        moment; where slots come free one at a time, they take turns.
        """
        parked = {agent: until for agent, until in self.parked.items() if until > now}
        board = self if parked == self.parked else self.model_copy(update={"parked": parked})
        if len(board.holding) >= policy.max_parallel:
            return board, ()
        round_ = _Round(board, policy, now)
        while len(round_.admitted) < at_most and round_.step():
            pass
        return round_.board, tuple(round_.admitted)

    def give(self, one: Waiting, now: float) -> "Board":
        """Give a job a slot and its locks, and note that its installation and repository had their turn."""
        job, repository, turn = one.job, one.job.task.repository, self.turn + 1
        line = self.lines[repository.id].drop(job.id).hold(job.task.number, one.locks, now)
        return self.put(line).model_copy(
            update={
                "holding": {**self.holding, job.id: Held(job=job, agent=one.agent)},
                "turn": turn,
                "installations": _served(self.installations, repository.installation_id, turn),
                "repositories": _served(self.repositories, repository.id, turn),
            }
        )


class _Round:
    """Slots that are given away one after another, counted only once."""

    def __init__(self, board: Board, policy: Policy, now: float) -> None:
        self.board = board
        self.admitted = list[Waiting]()
        self._policy, self._now = policy, now
        held = [(one.job.task.repository, one.agent) for one in board.holding.values()]
        self._installations = Counter(repository.installation_id for repository, _ in held)
        self._repositories = Counter(repository.id for repository, _ in held)
        self._agents = Counter(agent for _, agent in held if agent)

    def step(self) -> bool:
        """Give one slot away; say whether there was one, and somebody for it."""
        if len(self.board.holding) >= self._policy.max_parallel:
            return False
        found = self._next()
        if found is None:
            return False
        self._give(found)
        return True

    def _give(self, one: Waiting) -> None:
        repository, agent = one.job.task.repository, one.agent
        self.board = self.board.give(one, self._now)
        self.admitted.append(one)
        self._installations[repository.installation_id] += 1
        self._repositories[repository.id] += 1
        self._agents[agent] += bool(agent)

    def _next(self) -> Waiting | None:
        """Look at those whose turn it is first: what stops a job is found out only for them."""
        lines = dict[int, list[Line]]()
        for line in self.board.lines.values():
            if line.waiting:
                lines.setdefault(line.repository.installation_id, []).append(line)
        room = [key for key in lines if _below(self._installations.get(key, 0), self._policy.max_per_installation)]
        for turn in sorted({*map(self._turn, room)}):
            found = self._next_of([line for key in room if self._turn(key) == turn for line in lines[key]])
            if found:
                return found
        return None

    def _next_of(self, lines: Sequence[Line]) -> Waiting | None:
        """Look at the repositories of installations whose turn it is."""
        turns = sorted([(self._turn_in(line), line.repository.id) for line in lines if self._has_room(line)])
        for _, group in groupby(turns, key=itemgetter(0)):
            firsts = [first for _, key in group if (first := self._first(self.board.lines[key]))]
            if firsts:
                return min(firsts, key=lambda one: one.rank)
        return None

    def _has_room(self, line: Line) -> bool:
        here = self._repositories.get(line.repository.id, 0)  # what a Counter lacks takes it far longer to find by []
        return _below(here, line.most) and _below(here, self._policy.max_per_repository)

    def _first(self, line: Line) -> Waiting | None:
        """Return the first job that nothing stands in the way of."""
        claims = line.claims()
        return next((one for one in line.waiting if self._may_run(one, claims)), None)

    def _may_run(self, one: Waiting, claims: Claims | None) -> bool:
        if one.agent in self.board.parked or (
            one.agent and not _below(self._agents[one.agent], self._policy.max_per_agent)
        ):
            return False
        return claims is None or not one.locks or claims.stopping(one.job.task.number, one.locks) is None

    def _turn(self, installation: int) -> tuple[int, int]:
        return self._installations.get(installation, 0), self.board.installations.get(installation, 0)

    def _turn_in(self, line: Line) -> tuple[int, int]:
        key = line.repository.id
        return self._repositories.get(key, 0), self.board.repositories.get(key, 0)


def _below(count: int, most: int | None) -> bool:
    return most is None or count < most


def _served(turns: Mapping[int, int], key: int, turn: int) -> Mapping[int, int]:
    """Put the turn last, so that the first are those longest ago."""
    others = [item for item in turns.items() if item[0] != key]
    return dict([*others[-MOST_SERVED + 1 :], (key, turn)])
