"""Boards with defaults."""

from collections.abc import Iterable

from app.domain.admission import Board, Held
from app.domain.jobs import Job, run_job
from app.domain.lines import Waiting
from app.domain.policy import Policy
from tests.unit import build

NOW = build.NOW.timestamp()


def job_of(repository: int = 1, number: int = 12, installation: int = 5, attempt: int = 1) -> Job:
    return run_job(build.task(number, build.repository(repository, installation)), attempt)


def waits(job: Job, since: float = 0, **values: object) -> Waiting:
    return Waiting.model_validate({"job": job, "since": since, **values})


def held(*jobs: Job, agent: str = "") -> dict[str, Held]:
    return {job.id: Held(job=job, agent=agent) for job in jobs}


def board_of(*wanted: Waiting | Job, holding: Iterable[Job] = (), most: int | None = None) -> Board:
    """Make a board where those jobs have a slot and these wait, since 0 if nothing else is said."""
    made = Board(holding=held(*holding))
    for one in wanted:
        made = made.want(one if isinstance(one, Waiting) else waits(one), most, NOW)
    return made


def policy_of(max_parallel: int = 4, **limits: int | None) -> Policy:
    return build.POLICY.model_copy(update={"max_parallel": max_parallel, **limits})
