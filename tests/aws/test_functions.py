"""How functions fail: what callers hear of it, and that the next call of the same container is another matter."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.errors import Retryable
from infra.aws.clients import Clients
from infra.aws.messages import encode
from infra.aws.runs import Function as Caller
from infra.aws.runs import FunctionFailed
from infra.packing import pack
from tests.aws.cloud import Cloud, add_functions, open_cloud
from tests.aws.fake_lambda import Function, lambda_api
from tests.aws.queues import envelope
from tests.aws.stack import REGION, Stack
from tests.e2e.world import World

HANDLERS = """
import json, os, time

def answer(event, context):
    return {"heard": event, "enough": context.get_remaining_time_in_millis() > 100}

def mistake(event, context):
    raise ValueError("no such thing")

def stall(event, context):
    time.sleep(60)

def crash(event, context):
    os._exit(1)
"""


@pytest.fixture
async def caller(stack: Stack, tmp_path: Path) -> AsyncIterator[Any]:
    """Call functions through Lambda's API."""
    (tmp_path / "small.py").write_text(HANDLERS)
    names = ("answer", "mistake", "stall", "crash")
    environment = {"PYTHONPATH": str(tmp_path)}
    functions = [Function(name, f"small.{name}", environment, tmp_path, seconds=0.5) for name in names]
    async with lambda_api(*functions) as endpoint:
        clients = Clients(region=REGION, endpoint=endpoint)
        yield lambda name: Caller(clients, name)
        clients.close()
        for function in functions:
            await function.stop()


async def test_a_function_is_called_with_json_and_answers_in_json(caller: Any) -> None:
    assert json.loads(await caller("answer")(b'{"a": 1}')) == {"heard": {"a": 1}, "enough": True}


async def test_a_mistake_of_a_function_counts_as_one(caller: Any) -> None:
    with pytest.raises(FunctionFailed, match="ValueError: no such thing"):
        await caller("mistake")(b"{}")


@pytest.mark.parametrize(("name", "why"), [("stall", "Task timed out after 0.50 seconds"), ("crash", "Runtime exited")])
async def test_a_function_that_ends_before_its_time_is_called_again_later(caller: Any, name: str, why: str) -> None:
    with pytest.raises(Retryable, match=why):
        await caller(name)(b"{}")


@pytest.fixture
async def cloud(world: World, stack: Stack) -> AsyncIterator[Cloud]:
    async with open_cloud(world, stack) as opened:
        yield opened


async def deliver(cloud: Cloud, body: str) -> dict[str, Any]:
    """Put something on the events queue, and return it as Lambda hands it over."""
    address = cloud.place("EVENTS_QUEUE")
    group: dict[str, Any] = {"MessageGroupId": "a", "MessageDeduplicationId": body}
    await cloud.clients.call("sqs", "send_message", QueueUrl=address, MessageBody=body, **group)
    wanted: dict[str, Any] = {"MessageSystemAttributeNames": ["All"]}
    [message] = (await cloud.clients.call("sqs", "receive_message", QueueUrl=address, **wanted))["Messages"]
    return {name[:1].lower() + name[1:]: value for name, value in message.items()}


async def put_secret(cloud: Cloud, **values: str) -> None:
    secret: dict[str, Any] = {"SecretId": cloud.place("SECRET"), "SecretString": json.dumps(values)}
    await cloud.clients.call("secretsmanager", "put_secret_value", **secret)


async def test_what_cannot_be_opened_is_opened_anew_by_the_next_call(cloud: Cloud) -> None:
    found = await cloud.clients.call("secretsmanager", "get_secret_value", SecretId=cloud.place("SECRET"))
    whole = json.loads(found["SecretString"])
    await put_secret(cloud, **{name: whole[name] for name in ("app_id", "webhook_secret")})
    add_functions(cloud, "runs")
    runs = cloud.functions["runs"]

    raised = (await runs.invoke({"call": "unknown"})).value["raised"]
    assert (raised["error"], "its log says why" in raised["message"]) == ("Retryable", True)
    assert "ORCH_PRIVATE_KEY" in runs.log.read_text()
    await put_secret(cloud, **whole)
    assert (await runs.invoke({"call": "unknown"})).value["raised"]["error"] == "Permanent"
    assert runs.starts == 1
    assert whole["private_key"][100:160] not in runs.log.read_text()


async def test_an_event_for_which_nothing_can_be_opened_waits_and_is_told_as_an_error(cloud: Cloud) -> None:
    add_functions(cloud, "events", GITHUB_API_URL="http://127.0.0.1:9")
    events = cloud.functions["events"]
    events.seconds = 5
    message = await deliver(cloud, encode(pack(envelope())))
    told = await events.invoke({"Records": [message]})
    assert (told.failed, json.loads(told.payload)["errorType"]) == (True, "TimeoutError")
    assert await cloud.depth() == {"events": 1}


async def test_what_nobody_can_read_is_set_aside_and_leaves_the_queue(cloud: Cloud) -> None:
    add_functions(cloud, "events")
    message = await deliver(cloud, "no envelope")
    told = await cloud.functions["events"].invoke({"Records": [message]})
    assert told.value == {"batchItemFailures": [{"itemIdentifier": message["messageId"]}]}
    assert await cloud.depth() == {"dead": 1}


async def test_a_runner_without_a_job_leaves(cloud: Cloud) -> None:
    runner = await cloud.start_runner(IDLE_SECONDS=0.5)
    assert await runner.wait() == 0
