"""Runners are started for the jobs that wait, never too many, and none waits for ever."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.jobs import DeadJob, Job, cleanup_job, run_job
from app.ports import Backlog, Lease
from infra.aws.clients import Clients
from infra.aws.pool import KickingJobQueue, RunnerPool
from tests.aws.ecs import Ecs, serving
from tests.aws.stack import REGION, Stack, StackClock, unique
from tests.unit.build import TASK

MOST = 4
NOTHING, ONE = Backlog(0, 0, 0), Backlog(1, 0, 0)
MINUTE = timedelta(seconds=60)
NETWORK = {"subnets": ["subnet-1", "subnet-2"], "securityGroups": ["sg-1"], "assignPublicIp": "ENABLED"}

pytestmark = pytest.mark.usefixtures("stack")


@dataclass(slots=True)
class Cloud:
    """What the pool sees, and what there is; its clock stands until it is moved."""

    time: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    counts: Backlog = NOTHING
    ecs: Ecs = field(init=False)

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    async def backlog(self) -> Backlog:
        return self.counts

    def pool(self, clients: Clients, **more: Any) -> RunnerPool:
        return RunnerPool(
            **{
                "clients": clients,
                "clock": self,
                "cluster": "orch",
                "task_definition": "runner",
                "subnets": ["subnet-1", "subnet-2"],
                "security_groups": ["sg-1"],
                "public_ip": True,
                "max_runners": MOST,
                "backlog": self.backlog,
                **more,
            }
        )


@pytest.fixture(scope="module")
def server() -> Iterator[Ecs]:
    with serving(Ecs(lambda: datetime.now(UTC))) as server:
        yield server


@pytest.fixture(scope="module")
def clients(server: Ecs) -> Iterator[Clients]:
    clients = Clients(region=REGION, endpoint=server.endpoint)
    yield clients
    clients.close()


@pytest.fixture
def cloud(server: Ecs) -> Cloud:
    return new_cloud(server)


def new_cloud(server: Ecs) -> Cloud:
    """Let the server begin anew, by the clock of a new cloud."""
    cloud = Cloud()
    server.begin_again(cloud.now)
    cloud.ecs = server
    return cloud


async def test_a_kick_starts_a_runner_though_the_counts_know_of_no_job_yet(cloud: Cloud, clients: Clients) -> None:
    await cloud.pool(clients).kick("job-1")
    [asked] = cloud.ecs.asked
    assert len(asked.pop("clientToken")) == 64
    assert asked == {
        "cluster": "orch",
        "taskDefinition": "runner",
        "count": 1,
        "launchType": "FARGATE",
        "startedBy": "orch",
        "propagateTags": "TASK_DEFINITION",
        "networkConfiguration": {"awsvpcConfiguration": NETWORK},
    }


async def test_spot_and_a_private_subnet_are_asked_for(cloud: Cloud, clients: Clients) -> None:
    await cloud.pool(clients, spot=True, public_ip=False).kick("job-1")
    [asked] = cloud.ecs.asked
    assert asked["capacityProviderStrategy"] == [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    assert "launchType" not in asked
    assert asked["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "DISABLED"


@pytest.mark.parametrize("name", ["runner:7", "arn:aws:ecs:eu-central-1:000000000000:task-definition/runner:7"])
async def test_runners_of_every_revision_are_counted(cloud: Cloud, clients: Clients, name: str) -> None:
    cloud.counts = Backlog(waiting=1, in_flight=0, later=0)
    await cloud.pool(clients).mend()
    await cloud.pool(clients, task_definition=name).mend()
    assert [task.asked["taskDefinition"] for task in cloud.ecs.tasks] == ["runner"]


async def test_a_runner_that_has_nothing_to_do_is_not_doubled(cloud: Cloud, clients: Clients) -> None:
    for _ in range(2):
        await cloud.pool(clients).kick("job-1")
        cloud.time += MINUTE
    assert len(cloud.ecs.tasks) == 1


async def test_a_job_beside_one_at_work_gets_a_runner_of_its_own(cloud: Cloud, clients: Clients) -> None:
    await cloud.pool(clients).kick("job-1")
    cloud.counts = Backlog(waiting=0, in_flight=1, later=3)
    await cloud.pool(clients).kick("job-2")
    assert len(cloud.ecs.alive) == 2


async def test_there_are_never_more_than_the_most_and_what_ends_is_replaced(cloud: Cloud, clients: Clients) -> None:
    cloud.counts = Backlog(waiting=50, in_flight=0, later=0)
    pool = cloud.pool(clients)
    for _ in range(3):
        await pool.kick("job-1")
        await pool.mend()
        assert len(cloud.ecs.alive) == MOST
        cloud.ecs.alive[0].ended = True
        cloud.time += MINUTE
    await pool.mend()
    assert (len(cloud.ecs.alive), len(cloud.ecs.tasks)) == (MOST, MOST + 3)


async def test_runners_that_end_at_once_are_not_started_over_and_over(cloud: Cloud, clients: Clients) -> None:
    cloud.counts = Backlog(waiting=1, in_flight=0, later=0)
    for _ in range(10):
        await cloud.pool(clients).kick("job-1")
        for task in cloud.ecs.alive:
            task.ended = True
    assert len(cloud.ecs.tasks) == 1


async def test_processes_that_kick_at_the_same_time_start_the_same_runners(cloud: Cloud, clients: Clients) -> None:
    cloud.ecs.lag, cloud.counts = MINUTE, Backlog(waiting=2, in_flight=0, later=0)
    await asyncio.gather(*(cloud.pool(clients).kick(f"job-{number}") for number in range(8)))
    assert len(cloud.ecs.tasks) == 2


async def test_an_ecs_that_does_not_answer_holds_nobody_up_for_long(cloud: Cloud, clients: Clients) -> None:
    cloud.ecs.answers.clear()
    async with asyncio.timeout(20):
        await cloud.pool(clients, kick_seconds=0.05).kick("job-1")
    cloud.ecs.answers.set()
    await cloud.pool(clients).kick("job-1")
    assert len(cloud.ecs.alive) == 1


async def test_nothing_to_do_starts_nothing(cloud: Cloud, clients: Clients) -> None:
    await cloud.pool(clients).mend()
    assert cloud.ecs.asked == []


@pytest.mark.parametrize("trouble", [{"full": True}, {"refuses": "ClusterNotFoundException"}])
async def test_what_cannot_be_started_now_is_started_by_the_next_mending(
    cloud: Cloud, clients: Clients, trouble: dict[str, Any]
) -> None:
    cloud.counts = Backlog(waiting=3, in_flight=0, later=0)
    pool = cloud.pool(clients)
    for name, value in trouble.items():
        setattr(cloud.ecs, name, value)
    await pool.kick("job-1")
    await pool.mend()
    assert (len(cloud.ecs.tasks), len(cloud.ecs.asked) <= 2) == (0, True)
    cloud.ecs.full, cloud.ecs.refuses = False, ""
    await pool.mend()
    assert len(cloud.ecs.alive) == 3


@dataclass(slots=True)
class Queue:
    """A jobs queue that notes what it is asked."""

    counts: Backlog = ONE
    sent: list[str] = field(default_factory=list)
    stopped: bool = False

    async def send(self, job: Job) -> bool:
        self.sent.append(job.id)
        return len(self.sent) == 1

    async def receive(self, wait: float) -> Lease[Job] | None:
        return None

    async def dead_letters(self) -> Sequence[DeadJob]:
        return ()

    async def redrive(self, job_id: str) -> bool:
        return job_id in self.sent

    async def depth(self) -> int:
        return 1

    async def backlog(self) -> Backlog:
        return self.counts

    def stop(self) -> None:
        self.stopped = True


async def test_what_is_enqueued_finds_a_runner_even_if_it_was_enqueued_before(cloud: Cloud, clients: Clients) -> None:
    job = run_job(TASK, 1)
    queue = KickingJobQueue(Queue(), cloud.pool(clients))
    cloud.ecs.full = True
    assert await queue.send(job)
    assert not cloud.ecs.tasks
    cloud.ecs.full, cloud.counts = False, ONE
    assert not await queue.send(job)
    assert len(cloud.ecs.alive) == 1


async def test_a_job_that_is_being_done_starts_no_other_runner_when_it_is_asked_for_again(
    cloud: Cloud, clients: Clients
) -> None:
    queue = KickingJobQueue(Queue(), cloud.pool(clients))
    await queue.send(run_job(TASK, 1))
    cloud.counts = Backlog(waiting=0, in_flight=1, later=0)
    for _ in range(MOST):
        cloud.time += MINUTE
        assert not await queue.send(run_job(TASK, 1))
    assert len(cloud.ecs.alive) == 1


async def test_nothing_is_started_to_tidy_up(cloud: Cloud, clients: Clients) -> None:
    inner = Queue()
    queue = KickingJobQueue(inner, cloud.pool(clients))
    assert await queue.send(cleanup_job(TASK, 1))
    assert (inner.sent, cloud.ecs.tasks) == ([], [])

    await queue.send(run_job(TASK, 1))
    await queue.send(cleanup_job(TASK, 1))
    assert (len(inner.sent), len(cloud.ecs.tasks)) == (2, 1)


async def test_what_is_redriven_finds_a_runner(cloud: Cloud, clients: Clients) -> None:
    queue = KickingJobQueue(Queue(sent=["job-1"]), cloud.pool(clients))
    assert [await queue.redrive(job) for job in ("job-2", "job-1")] == [False, True]
    assert len(cloud.ecs.alive) == 1


async def test_all_else_is_the_queues_own(cloud: Cloud, clients: Clients) -> None:
    inner = Queue()
    queue = KickingJobQueue(inner, cloud.pool(clients))
    said = (await queue.receive(0), await queue.dead_letters(), await queue.depth(), await queue.backlog())
    queue.stop()
    assert (said, inner.stopped, cloud.ecs.asked) == ((None, (), 1, inner.counts), True, [])


# A model: jobs come, runners take them one each and leave when there is none, counts are wrong for less than a minute


@dataclass(slots=True)
class Model:
    """Jobs that wait, and the tasks at work; a count that is shown may be an old one."""

    cloud: Cloud
    waiting: int = 0
    busy: list[str] = field(default_factory=list)

    def come(self) -> None:
        self.waiting += 1

    def take(self) -> None:
        """Let every runner without a job take one."""
        for task in self.cloud.ecs.alive:
            if self.waiting and task.arn not in self.busy:
                self.waiting -= 1
                self.busy.append(task.arn)

    def end(self) -> None:
        """Let the longest run end, and its runner with it."""
        for task in self.cloud.ecs.alive:
            if self.busy and task.arn == self.busy[0]:
                task.ended = True
        self.busy[:1] = []

    def counted(self) -> Backlog:
        return Backlog(self.waiting, len(self.busy), 0)


STEPS = st.lists(
    st.tuples(st.sampled_from(["come", "take", "end", "pass"]), st.integers(0, 2), st.integers(0, 5)), max_size=20
)


@settings(max_examples=40)
@given(steps=STEPS, lag=st.integers(0, 59))
def test_whatever_lags_there_are_not_too_many_runners_and_no_job_waits_for_ever(
    server: Ecs, clients: Clients, steps: list[tuple[str, int, int]], lag: int
) -> None:
    cloud = new_cloud(server)
    cloud.ecs.lag = timedelta(seconds=lag)
    asyncio.run(_live(cloud, cloud.pool(clients), steps, 2 * MOST if lag else MOST))


async def _live(cloud: Cloud, pool: RunnerPool, steps: list[tuple[str, int, int]], most: int) -> None:
    model = Model(cloud)
    for step, kicks, wrong in steps:
        if step == "pass":
            cloud.time += timedelta(seconds=17)
        else:
            getattr(model, step)()
        true = model.counted()
        cloud.counts = Backlog(max(true.waiting + wrong - 2, 0), max(true.in_flight + 2 - wrong, 0), 0)
        await asyncio.gather(*(pool.kick("job") for _ in range(kicks)), *([] if kicks else [pool.mend()]))
        assert len(cloud.ecs.alive) <= most
    await _until_done(cloud, pool, model)
    for bucket in {_bucket(task.since) for task in cloud.ecs.tasks}:
        assert sum(_bucket(task.since) == bucket for task in cloud.ecs.tasks) <= MOST


async def _until_done(cloud: Cloud, pool: RunnerPool, model: Model) -> None:
    """Mend each minute with counts that are right by now."""
    for _ in range(2 + model.waiting + len(model.busy)):
        cloud.time += MINUTE
        cloud.counts = model.counted()
        await pool.mend()
        model.take()
        model.end()
    assert (model.waiting, model.busy) == (0, [])


def _bucket(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


async def test_ecs_takes_what_is_asked(stack: Stack) -> None:
    with stack.clients() as clients:
        cluster, family = unique("orch"), unique("runner")
        await clients.call("ecs", "create_cluster", clusterName=cluster)
        container = {"name": "runner", "image": "orch", "memory": 512}
        await clients.call(
            "ecs", "register_task_definition", family=family, containerDefinitions=[container], networkMode="awsvpc"
        )
        cloud = Cloud(counts=Backlog(waiting=2, in_flight=0, later=0))
        pool = cloud.pool(clients, clock=StackClock(stack), cluster=cluster, task_definition=f"{family}:1")
        await pool.kick("job-1")
        await pool.mend()
        tasks = sorted(await pool.alive())
        assert len(tasks) == 2
        described = await clients.call("ecs", "describe_tasks", cluster=cluster, tasks=tasks)
        assert [task["startedBy"] for task in described["tasks"]] == ["orch", "orch"]
