"""Who goes next: the board of those who wait for a slot and those who have one."""

from collections.abc import Mapping
from typing import TypeVar

from app.domain.base import Value
from app.domain.jobs import Job

T = TypeVar("T")


class Waiting(Value):
    """A job that waits, and since when (Unix time, seconds)."""

    job: Job
    since: float


class Board(Value):
    """Waiting jobs and held slots, by job id."""

    waiting: Mapping[str, Waiting] = {}
    holding: Mapping[str, Job] = {}

    def want(self, job: Job, since: float) -> "Board":
        """Add a job to the waiting; one that waits or holds a slot stays as it is."""
        if job.id in self.waiting or job.id in self.holding:
            return self
        return self.model_copy(update={"waiting": {**self.waiting, job.id: Waiting(job=job, since=since)}})

    def free(self, job_id: str) -> "Board":
        """Remove a job, whether it waited or held a slot."""
        return self.model_copy(
            update={"waiting": _without(self.waiting, job_id), "holding": _without(self.holding, job_id)}
        )

    def admit(self, limit: int) -> tuple["Board", tuple[Job, ...]]:
        """Give the free slots away: next is who has fewest slots in his installation, then who waits longest."""
        board, admitted = self, list[Job]()
        while board.waiting and len(board.holding) < limit:
            job = board._next()
            board = board.free(job.id).model_copy(update={"holding": {**board.holding, job.id: job}})
            admitted.append(job)
        return board, tuple(admitted)

    def _next(self) -> Job:
        held = [job.task.repository.installation_id for job in self.holding.values()]

        def rank(waiting: Waiting) -> tuple[int, float, str]:
            return held.count(waiting.job.task.repository.installation_id), waiting.since, waiting.job.id

        return min(self.waiting.values(), key=rank).job


def _without(mapping: Mapping[str, T], key: str) -> dict[str, T]:
    return {name: value for name, value in mapping.items() if name != key}
