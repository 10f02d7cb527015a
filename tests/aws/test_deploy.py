"""`orch deploy` on a stack and a hub: what is right, and what is told of what is not."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.domain.errors import UserError
from app.domain.permissions import EVENTS, NEEDED
from app.entry.check import Check, Result
from app.entry.deploy import Stack, examine_stack, ping, read_stack, settings_for, settings_of
from app.entry.deploy_connect import AppSettings, connect
from app.entry.deploy_parts import start_failure
from app.entry.looking import SWEEP
from app.entry.queues import list_queues
from app.entry.tasks import list_tasks
from app.settings import StateSettings
from app.turns import Turns
from infra.aws.clients import Clients
from infra.aws.secrets import fetch
from infra.aws.store import DynamoStore
from infra.hub.server import RunningHub, start_hub
from infra.hub.settings import HubSettings
from infra.local.clock import SystemClock
from tests.aws import stack as aws
from tests.aws.template import Deployed, deployed
from tests.e2e.processes import free_port

OUTPUTS = {
    "Secret": "ssm:/orch/app/",
    "WebhookUrl": "",
    "GithubApiUrl": "https://a.example",
    "GithubWebUrl": "https://b",
}


@pytest.fixture
async def hub() -> AsyncIterator[RunningHub]:
    running = await start_hub(HubSettings())
    with running.world.state.transaction():
        granted = {one.name: one.access.value for one in NEEDED}
        running.world.state.put(replace(running.world.app(), permissions=granted, events=list(EVENTS)))
    yield running
    await running.stop()


def settings(hub: RunningHub) -> AppSettings:
    about = hub.describe()
    given = {"app_id": about["app_id"], "private_key_file": Path(about["key_file"])}
    return AppSettings.model_validate({**given, "webhook_secret": about["webhook_secret"]})


async def read(here: Deployed, stack: aws.Stack) -> Stack:
    """Read a stack, with its function URL as it is reached at AWS on loopback."""
    found = await read_stack(here.clients, here.name)
    url = urlsplit(found.outputs["WebhookUrl"])
    address = f"{stack.endpoint}/_aws/lambda-url/{url.netloc.partition('.')[0]}{url.path}"
    return replace(found, outputs={**found.outputs, "WebhookUrl": address})


async def results(found: Stack, stack: aws.Stack, clients: Clients) -> dict[str, str]:
    """Examine it, and return what is not as it should be."""
    checks = await examine_stack(found, clients, SystemClock())
    assert len({check.check for check in checks}) == len(checks)
    return {check.check: check.result.value for check in checks if check.result is not Result.OK}


async def test_a_stack_is_examined_when_it_is_new_connected_and_in_trouble(
    stack: aws.Stack, hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", stack.endpoint)
    async with deployed(stack, GithubApiUrl=hub.base_url, GithubWebUrl=hub.base_url) as here:
        found, call = await read(here, stack), here.clients.call
        assert await results(found, stack, here.clients) == {"last sweep": "note", "secret": "failed"}

        await connect(found, settings(hub), here.clients, SystemClock())
        store = DynamoStore(here.clients, here.outputs["Table"], SystemClock())
        await Turns(store, SystemClock()).take(SWEEP, 1)
        healthy = await results(found, stack, here.clients)
        assert healthy == {
            "webhook": "note",  # at AWS on loopback, the path is another
            "deliveries": "note",
            "installation on acme": "failed",
        }

        given = {name.removeprefix("ORCH_").lower(): value for name, value in settings_for(found).items()}
        here_too = StateSettings(**{name: value for name, value in given.items() if name in StateSettings.model_fields})
        assert [row.dead for row in await list_queues(here_too)] == [0, 0]
        assert await list_tasks(here_too, None, None) == []

        await call("sqs", "send_message", QueueUrl=here.outputs["JobsDeadQueue"], MessageBody="lost")
        await call("s3", "put_object", Bucket=here.outputs["Bucket"], Key="dead/events/1/2", Body=b"")
        await call("scheduler", "delete_schedule", Name=here.outputs["Schedule"])
        elsewhere = {**found.outputs, "WebhookUrl": f"http://127.0.0.1:{free_port()}/webhook"}
        trouble = await results(replace(found, outputs=elsewhere), stack, here.clients)
        assert trouble == healthy | {
            "dead letters": "note",
            "schedule": "failed",
            "webhook address": "failed",
            "ping": "failed",
        }


async def test_a_stack_that_is_not_there_is_told(stack: aws.Stack) -> None:
    with stack.clients() as clients, pytest.raises(UserError, match="there is no stack none"):
        await read_stack(clients, "none")


async def test_a_stack_of_another_template_is_told(stack: aws.Stack) -> None:
    other = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    with stack.clients() as clients:
        name = aws.unique("other")
        await clients.call("cloudformation", "create_stack", StackName=name, TemplateBody=json.dumps(other))
        with pytest.raises(UserError, match="puts out no Secret, WebhookUrl"):
            await read_stack(clients, name)


async def test_secrets_go_to_parameters_where_the_stack_reads_those(stack: aws.Stack, hub: RunningHub) -> None:
    outputs = {
        "Secret": f"ssm:/{aws.unique('orch')}/",
        "WebhookUrl": "http://127.0.0.1:9/",
        "GithubApiUrl": hub.base_url,
    }
    with stack.clients() as clients:
        await connect(Stack("orch", "CREATE_COMPLETE", outputs), settings(hub), clients, SystemClock())
        values = await fetch(clients, outputs["Secret"])
    assert values["app_id"] == str(hub.describe()["app_id"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"app_id": ""}, "app_id not set in ssm:/orch/app/"),
        ({"app_id": "mine"}, "app_id in ssm:/orch/app/ is not what it should be"),
    ],
)
def test_a_secret_that_is_not_complete_is_told_without_its_values(change: dict[str, str], says: str) -> None:
    values = {"app_id": "7", "private_key": "key", "webhook_secret": "secret", **change}
    assert settings_of(Stack("orch", "CREATE_COMPLETE", OUTPUTS), values) == says


async def test_an_address_that_does_not_answer_is_told() -> None:
    said: Check = await ping(f"http://127.0.0.1:{free_port()}/webhook", "secret")
    assert (said.result, said.advice) == (Result.FAILED, "see the logs of the web function")


@pytest.mark.parametrize(
    ("reasons", "failure"),
    [
        ((), None),
        (("CannotPullContainerError: no such image", "Essential container in task exited"), None),
        (("Essential container in task exited", "CannotPullContainerError: no"), "CannotPullContainerError: no"),
    ],
)
def test_a_runner_that_cannot_be_started_is_told_until_one_was(reasons: tuple[str, ...], failure: str | None) -> None:
    tasks: list[dict[str, Any]] = [
        {"stoppedAt": number, "stoppedReason": reason} for number, reason in enumerate(reasons)
    ]
    assert start_failure([*tasks, {}]) == failure
