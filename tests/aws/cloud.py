"""Orch as the template lays it out, on loopback: functions, queues, table, bucket, secret, and runners beside them."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.aws.clients import Clients
from tests.aws.fake_lambda import Function, event_source, function_url, lambda_api
from tests.aws.stack import REGION, Stack, make_bucket, make_queue, make_table, unique
from tests.e2e.world import Process, World

OF_THE_APP = ("APP_ID", "PRIVATE_KEY_FILE", "WEBHOOK_SECRET")
OF_A_RUNNER = ("AGENTS", "SANDBOX", "JOB_LEASE", "BEAT", "RETRY_BASE", "DRAIN_SECONDS")
EVENT_LEASE = 20


@dataclass(slots=True)
class Cloud:
    """What there is on AWS for one world. Each role has an access key of its own name."""

    world: World
    stack: Stack
    clients: Clients
    endpoint: str
    places: Mapping[str, str]
    """The settings that name the parts."""
    functions: dict[str, Function] = field(default_factory=dict)
    lambda_endpoint: str = ""
    runners: list[Process] = field(default_factory=list)
    telling: Mapping[str, str] = field(default_factory=dict)
    """What has all processes tell a collector what they do."""

    def access(self, role: str) -> dict[str, str]:
        """Return what lets a process call AWS in a role."""
        found = {**self.stack.environment, **self.telling, "AWS_ACCESS_KEY_ID": role, "AWS_REGION": REGION}
        found["AWS_ENDPOINT_URL"] = self.endpoint
        return found | ({"AWS_ENDPOINT_URL_LAMBDA": self.lambda_endpoint} if self.lambda_endpoint else {})

    def place(self, name: str) -> str:
        """Return what a part is called: `EVENTS_QUEUE`, `TABLE`, ..."""
        return self.places[f"ORCH_AWS_{name}"]

    def server(self, **more: Any) -> dict[str, str]:
        """Return the settings of what works on events; the App is in the secret."""
        given = {"BACKEND": "aws", "EVENT_LEASE": EVENT_LEASE, "MAX_FAILURES": 3, **more}
        settings = self.world.settings(**given)
        return {**_without(settings, OF_THE_APP), **self.places}

    def runner(self, **more: Any) -> dict[str, str]:
        """Return the settings of a runner, which has nothing of the App."""
        settings = self.world.settings(**more)
        names = {f"ORCH_{name}" for name in (*OF_A_RUNNER, *more)}
        mine = ("ORCH_AWS_JOBS_QUEUE", "ORCH_AWS_BUCKET")
        return {
            **{name: value for name, value in settings.items() if name in names},
            **{name: self.places[name] for name in mine},
            "ORCH_BACKEND": "aws",
            "ORCH_AWS_RUNS_FUNCTION": "runs",
        }

    async def start_runner(self, name: str = "runner", **more: Any) -> Process:
        """Start a runner with a folder of its own."""
        settings = self.runner(STATE_DIR=self.world.folder / name, **more)
        process = await self.world.launch(["runner"], settings | self.access("runner"), self.world.log)
        self.runners.append(process)
        return process

    async def start_server(self, *argv: str, port: int, log: Path | None = None, **more: Any) -> Process:
        """Start a server that shares the work."""
        settings = self.server(PORT=port, STATE_DIR=self.world.folder / unique("server"), **more)
        process = await self.world.launch(["serve", *argv], settings | self.access("server"), log or self.world.log)
        self.world.orch.append(process)
        return process

    async def depth(self) -> dict[str, int]:
        """Count what waits, is in flight, or is due later, and what was set aside."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        found = {}
        for name in ("events", "jobs"):
            wanted: dict[str, Any] = {"QueueUrl": self.place(f"{name.upper()}_QUEUE"), "AttributeNames": ["All"]}
            answer = await self.clients.call("sqs", "get_queue_attributes", **wanted)
            found[name] = sum(int(answer["Attributes"][each]) for each in names)
        listed = await self.clients.call("s3", "list_objects_v2", Bucket=self.place("BUCKET"), Prefix="dead/")
        return {name: count for name, count in {**found, "dead": listed["KeyCount"]}.items() if count}

    async def until_job(self) -> None:
        """Wait until there is a job for a runner."""

        async def probe() -> bool:
            return "jobs" in await self.depth()

        await self.world.until("a job", probe)

    async def until_idle(self) -> None:
        """Wait until nothing waits anywhere."""

        async def probe() -> bool:
            await self.world.call("GET", "/_hub/idle")
            return not await self.depth()

        await self.world.until("nothing left to do", probe)

    async def stop(self) -> None:
        for process in self.runners:
            await process.kill()
        for function in self.functions.values():
            await function.stop()


@asynccontextmanager
async def open_cloud(world: World, stack: Stack, endpoint: str | None = None) -> AsyncIterator[Cloud]:
    """Make queues, table, bucket and secret; processes reach AWS at `endpoint`, if another is given."""
    with stack.clients() as clients:
        name = unique("orch")
        visible = str(EVENT_LEASE)
        places = {
            "ORCH_AWS_EVENTS_QUEUE": await make_queue(clients, f"{name}-events.fifo", VisibilityTimeout=visible),
            "ORCH_AWS_JOBS_QUEUE": await make_queue(clients, f"{name}-jobs"),
            "ORCH_AWS_TABLE": await make_table(clients),
            "ORCH_AWS_BUCKET": await make_bucket(clients),
            "ORCH_AWS_SECRET": await _make_secret(world, clients),
        }
        cloud = Cloud(world, stack, clients, endpoint or stack.endpoint, places)
        try:
            yield cloud
        finally:
            await cloud.stop()


async def _make_secret(world: World, clients: Clients) -> str:
    with open(world.about["key_file"]) as file:  # noqa: ASYNC230, PTH123 - a small file, once
        key = file.read()
    values = {"app_id": str(world.about["app_id"]), "private_key": key, "webhook_secret": world.about["webhook_secret"]}
    name = unique("orch/app")
    await clients.call("secretsmanager", "create_secret", Name=name, SecretString=json.dumps(values))
    return name


def add_functions(cloud: Cloud, *names: str, **more: Any) -> None:
    """Add functions, which are started when they are called."""
    for name in names:
        environment = {**cloud.server(**more), **cloud.access(name)}
        cloud.functions[name] = Function(name, f"app.entry.aws.{name}", environment, cloud.world.folder)


@asynccontextmanager
async def runs_at_work(cloud: Cloud, **more: Any) -> AsyncIterator[None]:
    """Have the function that runners report to."""
    add_functions(cloud, "runs", **more)
    async with lambda_api(cloud.functions["runs"]) as cloud.lambda_endpoint:
        yield


@asynccontextmanager
async def functions_at_work(cloud: Cloud, **more: Any) -> AsyncIterator[None]:
    """Have the four functions: web at the world's port, events fed from the queue, runs for runners."""
    add_functions(cloud, "web", "events", "sweep", **more)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(runs_at_work(cloud, **more))
        await stack.enter_async_context(function_url(cloud.functions["web"], cloud.world.port))
        queue = cloud.place("EVENTS_QUEUE")
        await stack.enter_async_context(event_source(cloud.clients, queue, cloud.functions["events"]))
        yield


def _without(settings: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name.removeprefix("ORCH_") not in names}
