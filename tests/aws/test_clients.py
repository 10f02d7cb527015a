"""How AWS is called, and what becomes of what it refuses."""

from collections.abc import Iterator

import pytest

from app.domain.errors import Permanent, Retryable
from infra.aws.clients import Clients, RefusedByAws
from tests.aws.stack import Stack, make_queue, make_table, unique


@pytest.fixture
def clients(stack: Stack) -> Iterator[Clients]:
    with stack.clients() as clients:
        yield clients


async def test_a_call_returns_what_aws_answers(clients: Clients) -> None:
    queue = await make_queue(clients, unique("jobs"))
    assert queue.endswith(queue.rpartition("/")[2])
    assert (await clients.call("sqs", "list_queues"))["QueueUrls"].count(queue) == 1


async def test_a_refusal_names_its_code(clients: Clients) -> None:
    with pytest.raises(RefusedByAws) as caught:
        await clients.call("dynamodb", "describe_table", TableName="none")
    assert caught.value.code == "ResourceNotFoundException"


@pytest.mark.usefixtures("stack")
async def test_an_address_where_nobody_listens_is_tried_again_later() -> None:
    clients = Clients(region="eu-central-1", endpoint="http://127.0.0.1:9")
    with pytest.raises(Retryable):
        await clients.call("sqs", "list_queues")
    clients.close()


async def test_where_no_region_is_named_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    clients = Clients()
    with pytest.raises(Permanent, match="set AWS_REGION"):
        await clients.call("sqs", "list_queues")
    clients.close()


async def test_the_clock_of_the_stack_is_put_forward(stack: Stack, clients: Clients) -> None:
    await make_table(clients)
    queue = await make_queue(clients, unique("jobs"), VisibilityTimeout="100")
    await clients.call("sqs", "send_message", QueueUrl=queue, MessageBody="one")
    assert "Messages" in await clients.call("sqs", "receive_message", QueueUrl=queue)
    stack.pass_time(99)
    assert "Messages" not in await clients.call("sqs", "receive_message", QueueUrl=queue)
    stack.pass_time(2)
    assert "Messages" in await clients.call("sqs", "receive_message", QueueUrl=queue)


async def test_no_log_level_shows_what_is_sent_or_answered(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with stack.clients() as clients:
        name = unique("secret")
        await clients.call("secretsmanager", "create_secret", Name=name, SecretString="nobody-may-read-this")
        found = await clients.call("secretsmanager", "get_secret_value", SecretId=name)
    assert (found["SecretString"], "nobody-may" in caplog.text) == ("nobody-may-read-this", False)
