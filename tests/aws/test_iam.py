"""The policies of the template against the calls that are made: none is missing, and none is there for nothing."""

import hmac
import json
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from random import Random

import aiohttp
import pytest

from infra.aws.clients import Clients
from infra.aws.jobs import SqsJobQueue
from tests.aws.cloud import Cloud, functions_at_work, open_cloud
from tests.aws.policies import Allowed, allowed, missing, unused
from tests.aws.queues import job
from tests.aws.recorder import Call, read_calls, recording
from tests.aws.stack import REGION, Stack, StackClock, unique
from tests.aws.template import read_template
from tests.e2e.collector import Collector, collecting
from tests.e2e.world import World

ROLES = {"WebRole": "web", "EventsRole": "events", "SweepRole": "sweep", "RunsRole": "runs", "RunnerRole": "runner"}
LOGS = "Lambda writes a function's logs by itself, in the function's role"
POLLER = "Lambda's poller receives in the function's role; in the test it has a role of its own"
STARTING = "ECS asks IAM for it when a task is started, and is not asked itself"
UNUSED = {
    "events dynamodb:ConditionCheckItem Table": "changes of several documents, as boards have them",
    "events ecs:TagResource task/${Cluster}/*": STARTING,
    "events iam:PassRole RunnerRole": STARTING,
    "events iam:PassRole TaskStartRole": STARTING,
    "events logs:CreateLogStream EventsLogs": LOGS,
    "events logs:PutLogEvents EventsLogs": LOGS,
    "events s3:DeleteObject Bucket/admitted/*": "parts of an artifact that is written anew",
    "events s3:GetObject Bucket/admitted/*": "a text that is compared with what an issue says by now",
    "events s3:GetObject Bucket/runs/*": "the command /log",
    "events s3:PutObject Bucket/large/*": "an event of Orch's own that is too large for a message",
    "events sqs:GetQueueAttributes EventsQueue": POLLER,
    "events sqs:ReceiveMessage EventsQueue": POLLER,
    "runs logs:CreateLogStream RunsLogs": LOGS,
    "runs logs:PutLogEvents RunsLogs": LOGS,
    "runs s3:PutObject Bucket/large/*": "a run whose end is too large for a message",
    "sweep ecs:RunTask task-definition/runner:*": "a job without a runner; in the test each had one asked for",
    "sweep ecs:TagResource task/${Cluster}/*": STARTING,
    "sweep iam:PassRole RunnerRole": STARTING,
    "sweep iam:PassRole TaskStartRole": STARTING,
    "sweep logs:CreateLogStream SweepLogs": LOGS,
    "sweep logs:PutLogEvents SweepLogs": LOGS,
    "sweep s3:PutObject Bucket/large/*": "what was missed and is too large for a message",
    "web logs:CreateLogStream WebLogs": LOGS,
    "web logs:PutLogEvents WebLogs": LOGS,
}
"""What is allowed and not done in the test, and what it is for."""


async def test_roles_may_do_what_they_do_and_no_more_and_a_task_is_one_trace(
    world: World, stack: Stack, tmp_path: Path
) -> None:
    file = tmp_path / "calls.jsonl"
    async with (
        collecting() as collector,
        recording(stack.endpoint, file) as endpoint,
        open_cloud(world, stack, endpoint) as cloud,
    ):
        cloud.telling = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        await add_cluster(cloud)
        await failed_job(cloud)
        async with functions_at_work(cloud), recording(cloud.lambda_endpoint, file) as to_lambda:
            cloud.lambda_endpoint = to_lambda
            await story(cloud)
            await world.until("the run is told of", lambda: has_trace(collector))
        calls = {named(call, cloud) for call in read_calls(file) if call.role in ROLES.values()}
    policies = allowed(read_template(), ROLES)
    assert missing(calls, policies) == set()
    assert described(unused(calls, policies)) - set(UNUSED) == set()
    assert set(UNUSED) - described(policies) == set(), "reasons for what is not allowed any more"


async def has_trace(collector: Collector) -> bool:
    """Look for a run that is a part of what its webhook led to, in the runner and in functions."""
    run, ended = collector.found("run"), collector.found("handle run_finished")
    if run is None or ended is None:
        return False
    processes = {span.process for span in collector.spans if span.trace == run.trace}
    return collector.ancestry(run)[-1] == collector.ancestry(ended)[-1] == "webhook" and processes >= {
        "runner",
        "lambda",
    }


def described(policies: Iterable[Allowed]) -> set[str]:
    return {f"{each.role} {each.action} {each.resource}" for each in policies}


async def add_cluster(cloud: Cloud) -> None:
    """Let runners be asked for; on loopback, nothing runs of them."""
    name = unique("orch")
    await cloud.clients.call("ecs", "create_cluster", clusterName=name)
    container = {"name": "runner", "image": "example.org/runner", "memory": 512}
    await cloud.clients.call("ecs", "register_task_definition", family="runner", containerDefinitions=[container])
    cloud.places = {
        **cloud.places,
        "ORCH_AWS_CLUSTER": name,
        "ORCH_AWS_TASK_DEFINITION": "runner",
        "ORCH_AWS_SUBNETS": "subnet-1",
        "ORCH_AWS_SECURITY_GROUPS": "sg-1",
    }


async def story(cloud: Cloud) -> None:
    """A task from label to merge, a sweep, and a delivery that is too large for a message."""
    world = cloud.world
    await cloud.start_runner()
    number = await world.open_issue()
    await world.until_status(number, "in_review")
    await world.merge((await world.until_pull())["number"])
    await world.until_status(number, "done")
    assert not (await cloud.functions["sweep"].invoke({})).failed
    assert await deliver_much(world) == 202

    async def is_set_aside() -> bool:
        return await cloud.depth() == {"dead": 2}

    await world.until("it is set aside, as the job was", is_set_aside)


async def deliver_much(world: World) -> int:
    noise = Random(7).randbytes(620_000).hex()
    payload = {"action": "edited", "repository": {"id": 1, "full_name": "a/b"}, "issue": {"number": 99, "body": noise}}
    body, secret = json.dumps(payload).encode(), world.about["webhook_secret"]
    headers = {
        "content-type": "application/json",
        "x-github-delivery": "too-large",
        "x-github-event": "issues",
        "x-hub-signature-256": "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex(),
    }
    url = f"http://127.0.0.1:{world.port}/webhook"
    async with aiohttp.ClientSession() as session, session.post(url, data=BytesIO(body), headers=headers) as answer:
        return answer.status


async def failed_job(cloud: Cloud) -> None:
    """A job that fails and is then set aside, as a runner does it."""
    with pytest.MonkeyPatch.context() as environment:
        await job_queue(cloud, cloud.clients).send(job())
        environment.setenv("AWS_ACCESS_KEY_ID", "runner")
        clients = Clients(region=REGION, endpoint=cloud.endpoint)
        jobs = job_queue(cloud, clients)
        for _ in range(2):
            lease = await jobs.receive(5)
            assert lease
            await lease.fail("it cannot be done")
        clients.close()


def job_queue(cloud: Cloud, clients: Clients) -> SqsJobQueue:
    places = cloud.places["ORCH_AWS_JOBS_QUEUE"], cloud.places["ORCH_AWS_BUCKET"]
    return SqsJobQueue(clients, *places, StackClock(cloud.stack), lease_seconds=30, max_failures=2)


def named(call: Call, cloud: Cloud) -> Call:
    """Name what a call is about as the template does."""
    parts = {
        "ORCH_AWS_EVENTS_QUEUE": "EventsQueue",
        "ORCH_AWS_JOBS_QUEUE": "JobsQueue",
        "ORCH_AWS_TABLE": "Table",
        "ORCH_AWS_BUCKET": "Bucket",
        "ORCH_AWS_SECRET": "Secret",
        "ORCH_AWS_CLUSTER": "Cluster",
    }
    names = {cloud.places[setting].rpartition("/")[2]: part for setting, part in parts.items()}
    first, slash, rest = call.resource.rpartition("/")[2] if call.service == "secretsmanager" else call.resource, "", ""
    if call.service == "s3":
        first, slash, rest = call.resource.partition("/")
    if call.service == "lambda":
        first = f"function:{first}"
    if call.operation == "RunTask":
        first = f"task-definition/{first}:1"
    return Call(call.role, call.service, call.operation, names.get(first, first) + slash + rest, call.prefix)
