"""Examine the parts of a stack on AWS, each by asking AWS for it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.domain.errors import Permanent, Retryable
from app.entry.check import Check, Result
from app.entry.looking import SWEEP
from app.ports import Clock
from app.turns import Turns
from infra.aws.clients import Clients
from infra.aws.objects import Objects
from infra.aws.store import DynamoStore

PARTS = (
    "EventsQueue",
    "EventsDeadQueue",
    "JobsQueue",
    "JobsDeadQueue",
    "Table",
    "Bucket",
    "Cluster",
    "TaskDefinition",
    "Schedule",
)
FUNCTIONS = ("web", "events", "sweep", "runs")
LATE = timedelta(minutes=15)
"""The age of the last look for what was missed from which it is late; there is one every five minutes."""
COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
NOT_STARTED = ("CannotPull", "ResourceInitializationError", "CannotStart", "CannotCreate")


async def examine_parts(name: str, outputs: Mapping[str, str], clients: Clients, clock: Clock) -> list[Check]:
    """Ask for all of them at once; what cannot be asked for has failed. `name` is the stack's."""
    parts = _Parts(name, outputs, clients, clock)
    asked: Mapping[str, Callable[[], Awaitable[Check]]] = {
        "functions": parts.functions,
        "events queue": lambda: parts.queue("events queue", "EventsQueue"),
        "jobs queue": lambda: parts.queue("jobs queue", "JobsQueue"),
        "dead letters": parts.dead,
        "table": parts.table,
        "bucket": parts.bucket,
        "runner": parts.runner,
        "schedule": parts.schedule,
        "last sweep": parts.last_sweep,
    }
    return list(await asyncio.gather(*(_guarded(each, ask()) for each, ask in asked.items())))


async def _guarded(name: str, asked: Awaitable[Check]) -> Check:
    try:
        return await asked
    except (Permanent, Retryable) as error:
        return Check(name, Result.FAILED, str(error), "see that it is there, and that you may look at it")


@dataclass(frozen=True, slots=True)
class _Parts:
    name: str
    outputs: Mapping[str, str]
    clients: Clients
    clock: Clock

    async def functions(self) -> Check:
        names = [f"{self.name}-{function}" for function in FUNCTIONS]
        call = self.clients.call
        said = await asyncio.gather(
            *(call("lambda", "get_function_configuration", FunctionName=name) for name in names)
        )
        states = {name: str(one.get("State", "Active")) for name, one in zip(names, said, strict=True)}
        wrong = [f"{name} is {state}" for name, state in states.items() if state not in ("Active", "Inactive")]
        if wrong:
            return Check("functions", Result.FAILED, ", ".join(wrong), "deploy again")
        return Check("functions", Result.OK, ", ".join(names))

    async def queue(self, check: str, output: str) -> Check:
        waiting, held, later = await self._counts(output)
        return Check(check, Result.OK, f"{waiting} wait, {held} in flight or held back, {later} delayed")

    async def dead(self) -> Check:
        """Count what was set aside: by Orch, in the bucket, and by SQS, in its queues."""
        objects = Objects(self.clients, self.outputs["Bucket"])
        ours, *theirs = await asyncio.gather(
            objects.keys("dead/"), self._counts("EventsDeadQueue"), self._counts("JobsDeadQueue")
        )
        found = [f"{len(ours)} set aside by Orch"] if ours else []
        found += [
            f"{sum(counts)} by SQS from {each}"
            for each, counts in zip(("events", "jobs"), theirs, strict=True)
            if any(counts)
        ]
        if found:
            return Check(
                "dead letters", Result.NOTE, ", ".join(found), "`orch queue dlq` says why of those that are Orch's"
            )
        return Check("dead letters", Result.OK, "none")

    async def table(self) -> Check:
        found = (await self.clients.call("dynamodb", "describe_table", TableName=self.outputs["Table"]))["Table"]
        result = Result.OK if found["TableStatus"] in ("ACTIVE", "UPDATING") else Result.FAILED
        return Check("table", result, f"{self.outputs['Table']} is {found['TableStatus']}")

    async def bucket(self) -> Check:
        await self.clients.call("s3", "head_bucket", Bucket=self.outputs["Bucket"])
        return Check("bucket", Result.OK, self.outputs["Bucket"])

    async def runner(self) -> Check:
        """Look at the image, and whether a runner that was asked for could not be started in the last hour."""
        definition = await self.clients.call(
            "ecs", "describe_task_definition", taskDefinition=self.outputs["TaskDefinition"]
        )
        image = str(definition["taskDefinition"]["containerDefinitions"][0]["image"])
        failure = start_failure(await self._stopped())
        if failure:
            return Check(
                "runner", Result.FAILED, f"{image}: {failure}", "mend the parameter RunnerImage, or what is missing"
            )
        return Check("runner", Result.OK, f"{image}; whether it can be pulled is seen when a runner starts")

    async def schedule(self) -> Check:
        found = await self.clients.call("scheduler", "get_schedule", Name=self.outputs["Schedule"])
        if found["State"] != "ENABLED":
            return Check(
                "schedule", Result.FAILED, str(found["State"]), "enable it: without it nothing missed is found"
            )
        return Check("schedule", Result.OK, str(found["ScheduleExpression"]))

    async def last_sweep(self) -> Check:
        """Look at when what no webhook told was looked for last."""
        store = DynamoStore(self.clients, self.outputs["Table"], self.clock)
        last = await Turns(store, self.clock).last(SWEEP)
        advice = "see the logs of the sweep function"
        if last is None:
            return Check("last sweep", Result.NOTE, "none yet", f"there is one within minutes; else {advice}")
        age = self.clock.now() - last
        result = Result.OK if age <= LATE else Result.FAILED
        return Check("last sweep", result, f"at {_shown(last)}", "" if result is Result.OK else advice)

    async def _counts(self, output: str) -> tuple[int, ...]:
        said = await self.clients.call(
            "sqs", "get_queue_attributes", QueueUrl=self.outputs[output], AttributeNames=list(COUNTS)
        )
        return tuple(int(said["Attributes"].get(name, 0)) for name in COUNTS)

    async def _stopped(self) -> list[dict[str, Any]]:
        cluster = self.outputs["Cluster"]
        arns = (await self.clients.call("ecs", "list_tasks", cluster=cluster, desiredStatus="STOPPED"))["taskArns"]
        if not arns:
            return []
        tasks = (await self.clients.call("ecs", "describe_tasks", cluster=cluster, tasks=arns[:100]))["tasks"]
        return list(tasks)


def start_failure(tasks: list[dict[str, Any]]) -> str | None:
    """Return why the task that stopped last never started, None if it did, or none stopped."""
    ended = [(task["stoppedAt"], str(task.get("stoppedReason", ""))) for task in tasks if task.get("stoppedAt")]
    reason = max(ended)[1] if ended else ""
    return reason if reason.startswith(NOT_STARTED) else None


def _shown(moment: datetime) -> str:
    return moment.isoformat(" ", "seconds")
