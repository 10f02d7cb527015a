"""What a run is given of those before it: a session, notes, and unfinished work."""

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from app.domain.effects import Decision
from app.domain.facts import Comment
from app.domain.grants import Grant, Resumable
from app.domain.jobs import Purpose, run_job
from app.domain.names import Repository
from app.domain.outcomes import Outcome, Usage
from app.domain.policy import Policy
from app.domain.record import RunSummary, Unfinished
from app.domain.task import Status
from app.ports import GitHub
from app.records import Records
from app.texts import keep_text
from tests.integration.core_stage import NOW, TASK, Stage, open_stage, runs_port, task_record

JOB = run_job(TASK, 9)
USED = Usage(tokens_in=10, tokens_out=5, tokens_cached=0, cost=Decimal("0.5"))
SHA, OTHER = "1" * 40, "2" * 40


class NothingSaid:
    """GitHub with neither comments nor a configuration file."""

    async def comments(self, repository: Repository, number: int) -> Sequence[Comment]:
        return []

    async def file(self, repository: Repository, path: str) -> bytes | None:
        return None


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path) as opened:
        yield opened


def ran(outcome: Outcome, session: str | None = "s1", attempt: int = 1, agent: str = "script") -> RunSummary:
    return RunSummary(
        run_id=f"r{attempt}",
        attempt=attempt,
        agent=agent,
        session=session,
        outcome=outcome,
        reason="Because.",
        head_sha=None,
        usage=USED,
        started_at=NOW,
        ended_at=NOW,
    )


async def grant_after(stage: Stage, *runs: RunSummary, **known: Any) -> Grant:
    record = task_record(status=Status.ROUTED, job_id=JOB.id, attempt=9, runs=runs, **known)
    await Records(stage.store).commit(TASK.group, "made", Decision("because", record), 0, NOW)
    await keep_text(stage.artifacts, "Add hello", "please")
    grant = await runs_port(stage, cast(GitHub, NothingSaid()), Policy(agents=("script",))).begin(JOB, "runner")
    assert isinstance(grant, Grant)
    return grant


async def test_a_session_that_a_limit_cut_off_is_gone_on_with_from_all_that_it_used(stage: Stage) -> None:
    grant = await grant_after(stage, ran(Outcome.TIMED_OUT), ran(Outcome.STALLED, attempt=2))
    assert grant.session == Resumable(
        id="s1", usage=Usage(tokens_in=20, tokens_out=10, tokens_cached=0, cost=Decimal("1.0"))
    )


async def test_a_run_that_the_runner_could_not_begin_changes_nothing_of_that(stage: Stage) -> None:
    grant = await grant_after(stage, ran(Outcome.TIMED_OUT), ran(Outcome.INFRASTRUCTURE_FAILED, None, 2))
    assert grant.session == Resumable(id="s1", usage=USED)


@pytest.mark.parametrize(
    "last",
    [
        ran(Outcome.AGENT_FAILED, attempt=2),
        ran(Outcome.AGENT_FAILED, None, 2),  # it could not take the session up
        ran(Outcome.CANCELLED, None, 2),
        ran(Outcome.INFRASTRUCTURE_FAILED, attempt=2),
        ran(Outcome.TIMED_OUT, "s2", 2, agent="other"),
        ran(Outcome.DELIVERED, attempt=2),
        ran(Outcome.CANCELLED, attempt=2).model_copy(update={"purpose": Purpose.REVIEW}),  # it only read
        ran(Outcome.CANCELLED, attempt=2).model_copy(update={"purpose": Purpose.PLAN}),
    ],
)
async def test_after_any_other_end_a_session_begins_anew(stage: Stage, last: RunSummary) -> None:
    assert (await grant_after(stage, ran(Outcome.TIMED_OUT), last)).session is None


async def test_i7_nothing_of_the_attempts_at_another_text_is_gone_on_with(stage: Stage) -> None:
    grant = await grant_after(stage, ran(Outcome.TIMED_OUT, attempt=3), first_attempt=4)
    assert (grant.session, grant.notes) == (None, ())


@pytest.mark.parametrize(("head", "granted"), [(None, True), (OTHER, True), (SHA, False)])
async def test_what_was_pushed_is_unfinished_until_the_branch_is_there(
    stage: Stage, head: str | None, granted: bool
) -> None:
    left = Unfinished(run_id="r1", sha=SHA)
    grant = await grant_after(stage, ran(Outcome.TIMED_OUT), head_sha=head, unfinished=left)
    assert grant.unfinished == (left if granted else None)


async def test_a_check_begins_at_the_base_branch_and_without_notes_on_its_plan(stage: Stage) -> None:
    planned = ran(Outcome.PLANNED, attempt=2).model_copy(update={"purpose": Purpose.PLAN})
    grant = await grant_after(stage, ran(Outcome.TIMED_OUT), planned, head_sha=SHA, purpose=Purpose.INTEGRATION)
    assert (grant.start_sha, grant.session, grant.notes) == (None, None, ())
