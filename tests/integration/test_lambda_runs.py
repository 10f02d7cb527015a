"""The Runs port through the JSON of both halves: what a runner on AWS asks for, and what it hears."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from app.domain.effects import Decision
from app.domain.errors import Missing, Permanent, Retryable, Unauthorized
from app.domain.grants import Grant, Order, Progress, Refused, RunToken, TokenKind
from app.domain.jobs import Job, run_job
from app.domain.outcomes import Outcome, RunResult, Usage
from app.domain.policy import Policy
from app.domain.task import Status
from app.entry.aws_runs import answer
from app.ports import Conflict, GitHub, Runs
from app.records import Records
from app.texts import keep_text
from infra.aws.runs import LambdaRuns
from tests.integration.core_stage import NOW, TASK, Stage, open_stage, runs_port, task_record

JOB = run_job(TASK, 1)
POLICY = Policy(agents=("script",), run_lease=30)
TOKEN = RunToken(
    value="ghs_secret", expires_at=datetime(2026, 1, 1, tzinfo=UTC), clone_url="http://127.0.0.1:9/a/b.git"
)
RESULT = RunResult(
    outcome=Outcome.DELIVERED,
    reason="done",
    agent="script",
    usage=Usage(tokens_in=5, cost=Decimal("0.10")),
    touched=("a.txt",),
    started_at=NOW,
    ended_at=NOW,
)


def through_json(runs: Runs) -> LambdaRuns:
    """Reach runs as a runner on AWS does, but for Lambda itself."""

    async def invoke(payload: bytes) -> bytes:
        return json.dumps(await answer(runs, json.loads(payload))).encode()

    return LambdaRuns(invoke)


@dataclass
class Recorder:
    """Notes what is asked, and answers or raises what it was given."""

    gives: Any = None
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    async def _take(self, *asked: Any) -> Any:
        self.asked.append(asked)
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives

    async def begin(self, job: Job, runner: str) -> Any:
        return await self._take(job, runner)

    async def beat(self, run_id: str, job: Job, progress: Progress) -> Any:
        return await self._take(run_id, job, progress)

    async def token(self, run_id: str, job: Job, kind: TokenKind) -> Any:
        return await self._take(run_id, job, kind)

    async def revoke(self, run_id: str, job: Job, token: RunToken) -> Any:
        return await self._take(run_id, job, token.value)

    async def give_back(self, run_id: str, job: Job, kept: str | None = None) -> Any:
        return await self._take(run_id, job, kept)

    async def give_up(self, job: Job, reason: str) -> Any:
        return await self._take(job, reason)

    async def finish(self, run_id: str, job: Job, result: RunResult) -> Any:
        return await self._take(run_id, job, result)


CALLS: dict[str, tuple[Callable[[Runs], Awaitable[Any]], tuple[Any, ...], Any]] = {
    "begin": (lambda runs: runs.begin(JOB, "r:1"), (JOB, "r:1"), Refused(reason="no", again_in=1.5, counts=True)),
    "beat": (
        lambda runs: runs.beat("r1", JOB, Progress(step="works", delivered=("k",), spent=Decimal("0.25"))),
        ("r1", JOB, Progress(step="works", delivered=("k",), spent=Decimal("0.25"))),
        Order(current=False),
    ),
    "token": (lambda runs: runs.token("r1", JOB, TokenKind.PUSH), ("r1", JOB, TokenKind.PUSH), TOKEN),
    "revoke": (lambda runs: runs.revoke("r1", JOB, TOKEN), ("r1", JOB, TOKEN.value), None),
    "give back": (lambda runs: runs.give_back("r1", JOB, "1" * 40), ("r1", JOB, "1" * 40), None),
    "give up": (lambda runs: runs.give_up(JOB, "lost"), (JOB, "lost"), None),
    "finish": (lambda runs: runs.finish("r1", JOB, RESULT), ("r1", JOB, RESULT), True),
}


@pytest.mark.parametrize("name", CALLS)
async def test_what_is_asked_and_answered_passes_unchanged(name: str) -> None:
    call, asked, gives = CALLS[name]
    recorder = Recorder(gives)
    assert await call(through_json(cast(Runs, recorder))) == gives
    assert recorder.asked == [asked]


@pytest.mark.parametrize("kind", [Permanent, Missing, Unauthorized, Conflict])
async def test_an_error_that_a_runner_acts_upon_is_raised_there(kind: type[Exception]) -> None:
    with pytest.raises(kind, match="because") as caught:
        await through_json(cast(Runs, Recorder(kind("because")))).give_up(JOB, "lost")
    assert type(caught.value) is kind


@pytest.mark.parametrize("delay", [None, 7.5])
async def test_what_passes_says_when(delay: float | None) -> None:
    with pytest.raises(Retryable) as caught:
        await through_json(cast(Runs, Recorder(Retryable("busy", delay)))).give_up(JOB, "lost")
    assert (str(caught.value), caught.value.delay) == ("busy", delay)


async def test_a_mistake_is_not_taken_for_an_answer() -> None:
    with pytest.raises(ZeroDivisionError):
        await through_json(cast(Runs, Recorder(ZeroDivisionError()))).give_up(JOB, "lost")


@pytest.mark.parametrize("event", [{"call": "settings"}, {"call": "begin"}, {}, [], "begin", None])
async def test_what_is_no_known_call_is_refused(event: object) -> None:
    recorder = Recorder()
    said = await answer(cast(Runs, recorder), event)
    assert said["raised"]["error"] == "Permanent"
    assert recorder.asked == []


async def test_an_answer_of_another_version_is_asked_for_again_and_not_repeated_in_words() -> None:
    async def invoke(payload: bytes) -> bytes:
        return b'{"returned": {"token": "ghs_secret"}}'

    with pytest.raises(Retryable, match="of one version") as caught:
        await LambdaRuns(invoke).token("r1", JOB, TokenKind.FETCH)
    assert "ghs_secret" not in str(caught.value)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path) as opened:
        await keep_text(opened.artifacts, "Add hello", "please")
        record = task_record(status=Status.ROUTED, job_id=JOB.id)
        await Records(opened.store).commit(TASK.group, "made", Decision("because", record), 0, NOW)
        yield opened


class NoGitHub:
    """GitHub that has nothing to say."""

    async def comments(self, *_: object) -> list[object]:
        return []

    async def file(self, *_: object) -> None:
        return None


async def test_a_whole_run_goes_through_json_as_without_it(stage: Stage) -> None:
    runs = through_json(runs_port(stage, cast(GitHub, NoGitHub()), POLICY))
    grant = await runs.begin(JOB, "runner")
    assert isinstance(grant, Grant)
    assert (grant.title, grant.limits, grant.author.slug) == ("Add hello", POLICY.limits, "orch")
    assert await runs.begin(JOB, "other") == Refused(reason=f"run {grant.run_id} may be alive", again_in=30)
    assert await runs.beat(grant.run_id, JOB, Progress(step="works")) == Order()
    assert await runs.finish(grant.run_id, JOB, RESULT) is True
    with pytest.raises(Permanent, match="not current"):
        await runs.token(grant.run_id, JOB, TokenKind.PUSH)
