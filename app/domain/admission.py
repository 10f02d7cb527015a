"""Who goes next: the board of those who wait for a slot and those who have one."""

from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

from app.domain.base import Value
from app.domain.jobs import Job

T = TypeVar("T")


class Waiting(Value):
    """A job that waits, and since when (Unix time, seconds); `most` is its repository's own limit on runs at once."""

    job: Job
    since: float
    most: int | None = None


class Board(Value):
    """Waiting jobs and held slots, by job id."""

    waiting: Mapping[str, Waiting] = {}
    holding: Mapping[str, Job] = {}

    def want(self, job: Job, since: float, most: int | None = None) -> "Board":
        """Add a job to the waiting; one that waits or holds a slot stays as it is."""
        if job.id in self.waiting or job.id in self.holding:
            return self
        waiting = Waiting(job=job, since=since, most=most)
        return self.model_copy(update={"waiting": {**self.waiting, job.id: waiting}})

    def limit(self, repository_id: int, most: int | None) -> "Board":
        """Give the waiting jobs of a repository another limit."""
        changed = {
            name: one.model_copy(update={"most": most}) if one.job.task.repository.id == repository_id else one
            for name, one in self.waiting.items()
        }
        return self.model_copy(update={"waiting": changed})

    def free(self, job_id: str) -> "Board":
        """Remove a job, whether it waited or held a slot."""
        return self.model_copy(
            update={"waiting": _without(self.waiting, job_id), "holding": _without(self.holding, job_id)}
        )

    def admit(self, limit: int) -> tuple["Board", tuple[Job, ...]]:
        """Give the free slots away: next is who has fewest slots in his installation, then who waits longest.

        A job whose repository has as many as it may is passed over.
        """
        board, admitted = self, list[Job]()
        while len(board.holding) < limit and (job := board._next()):
            board = board.free(job.id).model_copy(update={"holding": {**board.holding, job.id: job}})
            admitted.append(job)
        return board, tuple(admitted)

    def _next(self) -> Job | None:
        held = Counter(job.task.repository.installation_id for job in self.holding.values())
        busy = Counter(job.task.repository.id for job in self.holding.values())

        def rank(waiting: Waiting) -> tuple[int, float, str]:
            return held[waiting.job.task.repository.installation_id], waiting.since, waiting.job.id

        free = [one for one in self.waiting.values() if one.most is None or busy[one.job.task.repository.id] < one.most]
        return min(free, key=rank).job if free else None


def _without(mapping: Mapping[str, T], key: str) -> dict[str, T]:
    return {name: value for name, value in mapping.items() if name != key}
