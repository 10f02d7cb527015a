"""What becomes of an envelope when something is wrong: it is never lost, and never stops the worker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from app.apply import Apply
from app.domain.advice import Advice, RouteQuestion
from app.domain.effects import AskRouter, Decision, Effect, Enqueue, KeepText, RemoveLabel, nothing
from app.domain.envelope import Envelope
from app.domain.errors import Retryable
from app.domain.events import Event, Refresh
from app.domain.internal import disclose, enclose
from app.domain.jobs import Job, run_job
from app.domain.markers import Keyring
from app.domain.names import Repository, digest_of
from app.domain.policy import Policy
from app.domain.routing_events import TaskRouted
from app.domain.snapshot import Handler, Snapshot
from app.github.faults import Answer, fault_of
from app.leases import Leases
from app.plan_effects import PlanEffects
from app.ports import Artifacts, GitHub, JobQueue, Lease, Router
from app.process import Process, parser
from app.pull_effects import PullEffects
from app.reconcile import Reconcile
from app.records import Loaded, Records, Stored
from app.signing import Signing
from tests.integration.core_stage import IDENTITY, LEASE, NOW, TASK, Stage, open_stage

POLICY = Policy(agents=("script",), retry_base=1)
REFRESH = Refresh(task=TASK)
Step = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class FakeLoader:
    """Loads nothing, and takes a step of the test's while it does."""

    step: Step

    async def outline(self, handler: Handler, event: Event) -> Snapshot:
        return Snapshot(now=NOW, identity=IDENTITY, policy=POLICY)

    async def load(self, handler: Handler, event: Event, outline: Snapshot, stored: Stored) -> tuple[Snapshot, Loaded]:
        await self.step()
        return outline, Loaded(None, 0)


@dataclass(frozen=True, slots=True)
class SlowArtifacts:
    """Artifacts on a disk that answers only when it is let."""

    begun: asyncio.Event
    go_on: asyncio.Event

    async def write(self, key: str, data: bytes) -> None:
        self.begun.set()
        await self.go_on.wait()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path) as opened:
        yield opened


async def at_once() -> None:
    return


def build(
    stage: Stage,
    *effects: Effect,
    step: Step = at_once,
    artifacts: Artifacts | None = None,
    github: GitHub | None = None,
    deadline: float = LEASE,
    router: Router | None = None,
) -> Process:
    """Build a process that decides the effects for every Refresh."""
    records = Records(stage.store)

    async def no_log(run_id: str) -> str:
        raise AssertionError(run_id)

    port = github or cast(GitHub, None)
    apply = Apply(
        records=records,
        leases=Leases(stage.store),
        github=port,
        events=stage.events,
        jobs=stage.jobs,
        artifacts=artifacts or stage.artifacts,
        clock=stage.clock,
        identity=IDENTITY,
        policy=POLICY,
        keyring=Keyring((b"key",)),
        reconcile=cast(Reconcile, None),
        pulls=PullEffects(port, stage.events, stage.clock, IDENTITY, POLICY, cast(Signing, None)),
        plans=PlanEffects(port, stage.artifacts, IDENTITY, Keyring((b"key",))),
        show_log=no_log,
        router=router,
    )

    def decide(event: Any, snapshot: Snapshot) -> Decision:
        return Decision("because", effects=effects) if effects else nothing("because")

    def no_webhooks(name: str, body: bytes, group: str) -> Event:
        raise AssertionError(name)

    return Process(
        handlers={Refresh: Handler(Refresh, frozenset(), decide)},
        parse=parser(no_webhooks),
        loader=FakeLoader(step),
        records=records,
        apply=apply,
        events=stage.events,
        clock=stage.clock,
        policy=POLICY,
        deadline=deadline,
    )


async def leased(stage: Stage, identity: str = "one") -> Lease[Envelope]:
    await stage.events.send(enclose(REFRESH, identity, stage.clock.now()))
    return await again(stage)


async def again(stage: Stage) -> Lease[Envelope]:
    lease = await stage.events.receive(0)
    assert lease is not None
    return lease


async def test_a_bug_is_counted_and_then_dead_lettered_with_its_traceback(stage: Stage) -> None:
    async def bug() -> None:
        raise KeyError("nobody thought of it")

    lease = await leased(stage)
    for _ in range(3):
        await build(stage, step=bug)(lease)
        await stage.clock.pass_time(200)
        lease = await stage.events.receive(0) or lease
    [dead] = await stage.events.dead_letters()
    assert (dead.failures, "KeyError: 'nobody thought of it'" in dead.reason) == (3, True)


async def test_a_queue_that_fails_does_not_end_the_worker(stage: Stage) -> None:
    class Failing:
        item = enclose(REFRESH, "one", NOW)
        failures = 0
        receives = 1

        async def ack(self) -> None:
            raise OSError(28, "No space left on device")

        async def fail(self, reason: str, delay: float = 0) -> bool:
            raise OSError(28, "No space left on device")

    await build(stage)(cast(Lease[Envelope], Failing()))


async def test_i2_what_takes_too_long_is_released_before_its_lease_ends_and_gone_on_with(stage: Stage) -> None:
    artifacts = SlowArtifacts(asyncio.Event(), asyncio.Event())
    keep = KeepText(digest=digest_of("t", "b"), title="t", body="b")
    job = run_job(TASK, 1)
    slow = build(stage, keep, Enqueue(job=job), artifacts=cast(Artifacts, artifacts), deadline=1)
    await slow(await leased(stage))
    assert artifacts.begun.is_set()
    assert await stage.jobs.depth() == 0

    artifacts.go_on.set()
    await stage.clock.pass_time(2)
    await slow(await again(stage))
    assert (await stage.jobs.depth(), await stage.events.depth()) == (1, 0)


async def test_a_long_outbox_is_put_off_between_two_effects_and_gone_on_with_at_once(stage: Stage) -> None:
    class Lingering:
        """Takes as long for each text as a turn lasts."""

        async def write(self, key: str, data: bytes) -> None:
            await stage.clock.pass_time(21)

    keeps = [KeepText(digest=digest_of("t", str(n)), title="t", body=str(n)) for n in range(2)]
    process = build(stage, *keeps, artifacts=cast(Artifacts, Lingering()))
    await process(await leased(stage))
    assert len(await Records(stage.store).outbox(TASK.group)) == 1
    await process(await again(stage))
    assert (await Records(stage.store).outbox(TASK.group), await stage.events.depth()) == ([], 0)


async def test_what_is_cancelled_can_be_received_at_once(stage: Stage) -> None:
    begun = asyncio.Event()

    async def hang() -> None:
        begun.set()
        await asyncio.Event().wait()

    handling = asyncio.create_task(build(stage, step=hang)(await leased(stage)))
    await asyncio.wait_for(begun.wait(), 120)
    handling.cancel()
    await asyncio.gather(handling, return_exceptions=True)
    assert (await again(stage)).receives == 2


async def test_i2_a_key_that_github_does_not_take_for_now_drops_no_effect(stage: Stage) -> None:
    class Refusing:
        """GitHub while the App's key is being changed, or the clock of this machine is wrong."""

        key_is_right = False
        removed: ClassVar[list[str]] = []

        async def remove_label(self, repository: Repository, number: int, label: str) -> None:
            if not self.key_is_right:
                raise fault_of("POST /app/installations/3/access_tokens", Answer(401, {}, b""), NOW)
            self.removed.append(label)

    github = Refusing()
    process = build(stage, RemoveLabel(task=TASK, label="orch"), github=cast(GitHub, github))
    await process(await leased(stage))
    assert (await stage.events.depth(), await stage.events.dead_letters()) == (1, [])

    github.key_is_right = True
    await stage.clock.pass_time(5)
    await process(await again(stage))
    assert (github.removed, await stage.events.depth()) == (["orch"], 0)


async def test_a_snapshot_that_cannot_be_read_for_want_of_a_key_waits(stage: Stage) -> None:
    async def refuse() -> None:
        raise fault_of("GET /repos/acme/widgets/issues/5", Answer(401, {}, b""), NOW)

    await build(stage, step=refuse)(await leased(stage))
    assert (await stage.events.depth(), await stage.events.dead_letters()) == (1, [])


@dataclass(frozen=True, slots=True)
class FakeRouter:
    """Chooses `claude`, after a step of the test's, and keeps what it was asked."""

    asked: list[RouteQuestion]
    step: Step = at_once

    async def choose(self, question: RouteQuestion) -> Advice:
        self.asked.append(question)
        await self.step()
        return Advice(agent="claude")


ASK = AskRouter(task=TASK, digest=digest_of("Fix", "it"), agents=("script", "claude"))
KEPT = KeepText(digest=ASK.digest, title="Fix", body="it")


async def test_i2_a_model_is_asked_again_after_a_crash_and_the_task_hears_of_it_once(stage: Stage) -> None:
    async def crash() -> None:
        if len(asked) == 1:
            raise asyncio.CancelledError

    asked: list[RouteQuestion] = []
    process = build(stage, KEPT, ASK, router=FakeRouter(asked, crash))
    with pytest.raises(asyncio.CancelledError):
        await process(await leased(stage))
    await process(await again(stage))
    assert asked == [RouteQuestion(title="Fix", body="it", agents={"script": "", "claude": ""})] * 2
    assert disclose((await again(stage)).item) == TaskRouted(
        task=TASK, digest=ASK.digest, advice=Advice(agent="claude")
    )


@pytest.mark.parametrize(
    ("effects", "why"),
    [((ASK,), "the text to ask about was lost"), ((KEPT, ASK), "no model is set up to be asked")],
)
async def test_a_task_goes_on_without_a_model(stage: Stage, effects: tuple[Effect, ...], why: str) -> None:
    await build(stage, *effects)(await leased(stage))
    routed = disclose((await again(stage)).item)
    assert isinstance(routed, TaskRouted)
    assert routed.advice == Advice(failed=why)


async def test_i2_of_several_jobs_those_that_the_queue_took_are_out_of_the_outbox_when_it_fails(stage: Stage) -> None:
    class Filling:
        """A jobs queue whose disk is full after the first job."""

        sent: ClassVar[list[str]] = []
        room = 1

        async def send(self, job: Job) -> bool:
            if len(self.sent) == self.room:
                raise Retryable("disk is full")
            self.sent.append(job.id)
            return True

    jobs, queue = [run_job(TASK, attempt) for attempt in (1, 2, 3)], Filling()
    built = build(stage, *(Enqueue(job=job) for job in jobs))
    process = replace(built, apply=replace(built.apply, jobs=cast(JobQueue, queue)))
    await process(await leased(stage))
    left = await process.records.outbox(REFRESH.group)
    assert (queue.sent, [pending.effect for pending in left]) == ([jobs[0].id], [Enqueue(job=job) for job in jobs[1:]])

    queue.room = 3
    await stage.clock.pass_time(5)
    await process(await again(stage))
    assert queue.sent == [job.id for job in jobs]
    assert await process.records.outbox(REFRESH.group) == []
