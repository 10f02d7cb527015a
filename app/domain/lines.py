"""One repository's part of the board: its jobs that wait for a slot, and the paths that its tasks hold."""

from bisect import insort

from app.domain.base import Value
from app.domain.jobs import PRIORITIES, Job, Priority
from app.domain.locks import Claims, widen
from app.domain.names import Repository, TaskRef

DOUBT_AFTER = 600.0
"""Seconds that a lock may stand in the way until its task is asked whether it is still wanted."""


class Waiting(Value):
    """A job that waits, and since when (Unix time, seconds).

    `locks` are the paths it must have, `told` the tasks of which its own was told that they hold one.
    """

    job: Job
    since: float
    priority: Priority = "normal"
    agent: str = ""
    locks: tuple[str, ...] = ()
    told: tuple[int, ...] = ()

    @property
    def rank(self) -> tuple[int, float, str]:
        """Return what waiting jobs of a repository are ordered by: priority, then age."""
        return PRIORITIES.index(self.priority), self.since, self.job.id


class Lock(Value):
    """The paths that a task holds; `sure` is when that was last heard of its task (Unix time, seconds)."""

    number: int
    paths: tuple[str, ...]
    sure: float


class Line(Value):
    """A repository's waiting jobs in order, and the locks of its tasks, the one that came first in front.

    `most` is the repository's own limit on runs at once. `look_at` is when the locks are looked at that others wait
    for, None if nobody waits for one (Unix time, seconds).
    """

    repository: Repository
    most: int | None = None
    waiting: tuple[Waiting, ...] = ()
    locks: tuple[Lock, ...] = ()
    look_at: float | None = None

    @property
    def is_empty(self) -> bool:
        return not self.waiting and not self.locks

    def find(self, job_id: str) -> Waiting | None:
        """Return the waiting job of that id."""
        return next((one for one in self.waiting if one.job.id == job_id), None)

    def want(self, wanted: Waiting) -> "Line":
        """Add a job; one that waits already keeps its age, and what its task was told."""
        known, job = self.find(wanted.job.id), wanted.job
        if known is None and job.task.repository == self.repository:
            wanted = wanted.model_copy(update={"job": _in_place(job, self.repository)})
        if known is not None:
            wanted = wanted.model_copy(update={"job": known.job, "since": known.since, "told": known.told})
            if wanted == known:
                return self
        return (self if known is None else self.drop(wanted.job.id))._insert(wanted)

    def _insert(self, wanted: Waiting) -> "Line":
        waiting = list(self.waiting)
        insort(waiting, wanted, key=lambda one: one.rank)
        return self.model_copy(update={"waiting": tuple(waiting)})

    def drop(self, job_id: str) -> "Line":
        """Take a job out of those that wait."""
        left = tuple(one for one in self.waiting if one.job.id != job_id)
        return self if len(left) == len(self.waiting) else self.model_copy(update={"waiting": left})

    def hold(self, number: int, paths: tuple[str, ...], now: float) -> "Line":
        """Let a task hold these paths too; being sure of a lock is noted only while others wait for one."""
        known = next((one for one in self.locks if one.number == number), None)
        all_paths = widen(known.paths if known else (), paths)
        if not all_paths or (known and known.paths == all_paths and self.look_at is None):
            return self
        lock = Lock(number=number, paths=all_paths, sure=now)
        others = tuple(lock if one.number == number else one for one in self.locks)
        return self.model_copy(update={"locks": others if known else (*self.locks, lock)})

    def release(self, number: int) -> "Line":
        """Let a task hold nothing any more."""
        left = tuple(one for one in self.locks if one.number != number)
        return self if len(left) == len(self.locks) else self.model_copy(update={"locks": left})

    def claims(self) -> Claims | None:
        """Return what is held, for asking who is stopped by it; None if nothing is."""
        return Claims([(lock.number, lock.paths) for lock in self.locks]) if self.locks else None

    def stopped(self) -> list[tuple[Waiting, int, str]]:
        """List the jobs that wait for a lock, each with who holds it, and the path."""
        claims = self.claims()
        if claims is None:
            return []
        found = ((one, claims.stopping(one.job.task.number, one.locks)) for one in self.waiting if one.locks)
        return [(one, *held) for one, held in found if held]

    def tell(self, told: dict[str, int]) -> "Line":
        """Note, by job id, of which holder its task is told."""
        changed = tuple(
            one.model_copy(update={"told": (*one.told, told[one.job.id])}) if one.job.id in told else one
            for one in self.waiting
        )
        return self.model_copy(update={"waiting": changed})

    def doubted(self, now: float) -> list[TaskRef]:
        """List the tasks of which nothing was heard for long, while others wait for a lock of theirs."""
        in_the_way = {holder for _, holder, _ in self.stopped()}
        return [
            TaskRef(repository=self.repository, number=lock.number)
            for lock in self.locks
            if lock.number in in_the_way and now - lock.sure >= DOUBT_AFTER
        ]


def _in_place(job: Job, repository: Repository) -> Job:
    """Return the job with the very object that the others of its repository have: one for all is enough."""
    return job.model_copy(update={"task": job.task.model_copy(update={"repository": repository})})
