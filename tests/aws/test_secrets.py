"""The App's secrets on AWS, by either service and by hand or boto3."""

import json
from collections.abc import Iterator

import pytest

from app.domain.errors import Permanent
from infra.aws.clients import Clients
from infra.aws.secrets import FetchedSecrets, fetch, read, webhook_secrets
from infra.aws.sigv4 import Aws
from tests.aws.endpoint import serving
from tests.aws.stack import Stack, unique

VALUES = {"app_id": "12", "private_key": "-----BEGIN KEY-----\nx\n-----END KEY-----", "webhook_secret": "s"}


@pytest.fixture
def clients(stack: Stack) -> Iterator[Clients]:
    with stack.clients() as clients:
        yield clients


@pytest.fixture
def aws(stack: Stack) -> Iterator[Aws]:
    aws = Aws(stack.environment)
    yield aws
    aws.close()


async def make_secret(clients: Clients, text: str) -> str:
    made = await clients.call("secretsmanager", "create_secret", Name=unique("orch"), SecretString=text)
    name: str = made["ARN"]
    return name


async def test_a_secret_is_a_json_object(clients: Clients, aws: Aws) -> None:
    name = await make_secret(clients, json.dumps(VALUES | {"app_id": 12, "webhook_secret": "s\n", "other": "x"}))
    assert (read(aws, name), await fetch(clients, name)) == (VALUES, VALUES)


async def test_parameters_lie_under_a_path(clients: Clients, aws: Aws) -> None:
    path = f"/{unique('orch')}/"
    for key, value in VALUES.items():
        await clients.call("ssm", "put_parameter", Name=path + key, Value=value, Type="SecureString")
    assert [read(aws, f"ssm:{path}"), await fetch(clients, f"ssm:{path.rstrip('/')}")] == [VALUES, VALUES]


def test_parameters_come_in_pages() -> None:
    pages = [
        {"Parameters": [{"Name": "/orch/app_id", "Value": "12"}], "NextToken": "more"},
        {"NextToken": "most"},
        {"Parameters": [{"Name": "/orch/webhook_secret", "Value": "s"}, {"Name": "/orch/other", "Value": "x"}]},
    ]
    with serving(GetParametersByPath=pages) as endpoint:
        aws = Aws(endpoint.environment)
        assert read(aws, "ssm:/orch/") == {"app_id": "12", "webhook_secret": "s"}
        aws.close()
    assert [asked.arguments.get("NextToken") for asked in endpoint.asked] == [None, "more", "most"]


@pytest.mark.parametrize("text", ["no JSON", "[]", ""])
def test_what_is_no_object_is_said_with_the_keys_it_should_have(text: str) -> None:
    with serving(GetSecretValue={"SecretString": text}) as endpoint:
        aws = Aws(endpoint.environment)
        with pytest.raises(Permanent, match="orch is no JSON object with the keys app_id, private_key, webhook_secret"):
            read(aws, "orch")
        aws.close()


def test_while_one_secret_replaces_the_other_both_count() -> None:
    assert webhook_secrets({"webhook_secret": "new", "webhook_secret_before": "old"}) == (b"new", b"old")
    assert webhook_secrets({"webhook_secret": "new"}) == (b"new",)
    with pytest.raises(Permanent, match="webhook_secret"):
        webhook_secrets({"app_id": "12"})


async def test_a_server_looks_for_newer_ones_once_a_minute(clients: Clients) -> None:
    name, now = await make_secret(clients, json.dumps(VALUES)), [0.0]
    secrets = FetchedSecrets(clients, name, (b"old",), lambda: now[0])
    assert (await secrets.renew(), secrets.known) == (True, (b"s",))
    await clients.call("secretsmanager", "put_secret_value", SecretId=name, SecretString='{"webhook_secret": "t"}')
    now[0] = 59
    assert (await secrets.renew(), secrets.known) == (False, (b"s",))
    now[0] = 60
    assert (await secrets.renew(), secrets.known) == (True, (b"t",))


async def test_a_server_goes_on_with_what_it_knows_where_newer_ones_cannot_be_had(clients: Clients) -> None:
    secrets = FetchedSecrets(clients, "none-of-that-name", (b"old",), lambda: 0.0)
    assert (await secrets.renew(), secrets.known) == (False, (b"old",))
