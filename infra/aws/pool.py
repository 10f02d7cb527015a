"""Runners on ECS: tasks that are started when there is work, and end by themselves when there is none."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from app.domain.errors import Permanent, Retryable
from app.domain.jobs import DeadJob, Job, JobKind
from app.log import log
from app.ports import Backlog, Clock
from infra.around import AroundQueue
from infra.aws.clients import Clients

BUCKET_SECONDS = 60
KICK_SECONDS = 10.0
"""What enqueuing may wait for ECS; what is not started by then is left to `mend`."""
STARTED_BY = "orch"


@dataclass(frozen=True, slots=True)
class RunnerPool:
    """Starts tasks for the jobs that wait and are in flight, one each, and never stops one.

    In each minute at most `max_runners` are started, whoever asks: each start takes one of as many tokens of that
    minute, and ECS answers a token that it knows with the task that it stands for. So processes that ask at the same
    time start the same tasks. No more than `max_runners` are alive where ECS lists all; where its list lags by less
    than a minute, no more than twice as many.

    Where nothing can be started, that is logged, and `mend` tries again: it is to be called each minute.
    """

    clients: Clients
    clock: Clock
    cluster: str
    task_definition: str
    subnets: Sequence[str]
    security_groups: Sequence[str]
    public_ip: bool
    max_runners: int
    backlog: Callable[[], Awaitable[Backlog]]
    spot: bool = False
    kick_seconds: float = KICK_SECONDS

    async def kick(self, job_id: str, *, is_new: bool = True) -> None:
        """See that a job which was enqueued finds a runner; the counts may not show a new one yet. Never raises."""
        try:
            async with asyncio.timeout(self.kick_seconds):
                await self._fill(at_least=int(is_new))
        except TimeoutError:
            log().warning("no runner was started yet: ECS does not answer in time", job=job_id)

    async def mend(self) -> None:
        """Start what is missing. Never raises for what AWS does."""
        await self._fill(at_least=0)

    async def alive(self) -> frozenset[str]:
        """Return the ARNs of the tasks that run, start, or are asked for, of all revisions of the definition."""
        found = set[str]()
        more: dict[str, Any] = {}
        while True:
            page = await self.clients.call(
                "ecs", "list_tasks", cluster=self.cluster, family=self._family, desiredStatus="RUNNING", **more
            )
            found.update(page.get("taskArns", ()))
            if not page.get("nextToken"):
                return frozenset(found)
            more = {"nextToken": page["nextToken"]}

    async def _fill(self, at_least: int) -> None:
        try:
            backlog, alive = await asyncio.gather(self.backlog(), self.alive())
            wanted = max(backlog.waiting, at_least) + backlog.in_flight
            await self._start(min(wanted, self.max_runners) - len(alive), alive)
        except (Retryable, Permanent) as error:
            log().error("no runner can be started now; it is tried again within a minute", reason=str(error))

    async def _start(self, missing: int, alive: frozenset[str]) -> None:
        """Take one token after another until enough tasks stand for them that were not known to be alive."""
        bucket, started = int(self.clock.now().timestamp()) // BUCKET_SECONDS, list[str]()
        for number in range(self.max_runners):
            if len(started) >= missing:
                break
            task = await self._run_task(bucket, number)
            if task is None:
                return
            if task not in alive:
                started.append(task)
        if started:
            log().info("runners were asked for", tasks=started, alive=len(alive))

    async def _run_task(self, bucket: int, number: int) -> str | None:
        """Return the task that stands for a token; None if there is no room for it now."""
        token = f"{self.cluster} {self.task_definition} {bucket} {number}"
        answer = await self.clients.call(
            "ecs",
            "run_task",
            cluster=self.cluster,
            taskDefinition=self.task_definition,
            count=1,
            clientToken=sha256(token.encode()).hexdigest(),
            startedBy=STARTED_BY,
            propagateTags="TASK_DEFINITION",
            networkConfiguration={"awsvpcConfiguration": self._network},
            **self._capacity,
        )
        for failure in answer.get("failures", ()):
            log().error(
                "ECS has no room for a runner; it is tried again within a minute",
                reason=failure.get("reason"),
                detail=failure.get("detail"),
            )
        tasks = answer.get("tasks", ())
        return str(tasks[0]["taskArn"]) if tasks else None

    @property
    def _family(self) -> str:
        """Return what an ARN, or a name with or without a revision, calls the definition."""
        return self.task_definition.rpartition("/")[2].partition(":")[0]

    @property
    def _capacity(self) -> dict[str, Any]:
        if self.spot:
            return {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]}
        return {"launchType": "FARGATE"}

    @property
    def _network(self) -> dict[str, Any]:
        return {
            "subnets": list(self.subnets),
            "securityGroups": list(self.security_groups),
            "assignPublicIp": "ENABLED" if self.public_ip else "DISABLED",
        }


@dataclass(frozen=True, slots=True)
class KickingJobQueue(AroundQueue[Job, DeadJob]):
    """Implement `app.ports.JobQueue` by another one, and kick the pool when there is work."""

    pool: RunnerPool

    async def send(self, item: Job) -> bool:
        """Enqueue and kick; a job that was there before kicks too, because who sent it may have been lost since.

        That one the counts know of: each sweep asks for all jobs again that are being done. What would tidy up is not
        sent where no runner is alive: each has taken its disk with it.
        """
        if item.kind is JobKind.CLEANUP:
            return not await self._has_runner() or await self.queue.send(item)
        is_new = await self.queue.send(item)
        await self.pool.kick(item.id, is_new=is_new)
        return is_new

    async def _has_runner(self) -> bool:
        try:
            return bool(await self.pool.alive())
        except (Retryable, Permanent):
            return True  # as far as is known

    async def redrive(self, item_id: str) -> bool:
        is_back = await self.queue.redrive(item_id)
        if is_back:
            await self.pool.kick(item_id)
        return is_back
