"""The web Lambda function: what API Gateway hands over, what lies in the queue for it, and what it costs to ask."""

import asyncio
import hmac
import json
import subprocess
import sys
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import aiohttp
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.domain.envelope import Envelope, Source
from app.domain.errors import Permanent
from app.entry.aws_web import Others, Web
from infra.aws.events import SqsEventQueue
from infra.aws.messages import LARGEST, decode, key_in
from infra.aws.sigv4 import Aws
from infra.aws.store import DynamoStore
from infra.packing import unpack
from tests.aws.endpoint import Endpoint, serving
from tests.aws.stack import Stack, StackClock, make_bucket, make_queue, make_table, unique

NEW, OLD = "new-secret", "old-secret"
PAYLOAD = {
    "action": "labeled",
    "repository": {"id": 7, "full_name": "acme/widgets"},
    "issue": {"number": 5},
    "installation": {"id": 3},
}
BODY = json.dumps(PAYLOAD).encode()
Answer = dict[str, Any]


def request(path: str, method: str = "GET", body: str | None = None, **headers: str) -> dict[str, Any]:
    """Make an event in the format 2.0 of API Gateway, as function URLs have it too."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "orch.example", **{name.replace("_", "-"): value for name, value in headers.items()}},
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": "192.0.2.1"}, "stage": "$default"},
        "body": body,
        "isBase64Encoded": False,
    }


def delivery(body: bytes = BODY, secret: str = NEW, **changes: str) -> dict[str, Any]:
    headers = {
        "x_hub_signature_256": "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex(),
        "x_github_delivery": "d-1",
        "x_github_event": "issues",
        "content_type": "application/json",
    }
    return request("/webhook", "POST", body.decode(), **(headers | changes))


def held(*secrets: str) -> Mapping[str, str]:
    """Return what Secrets Manager says."""
    keys = ("webhook_secret", "webhook_secret_before")
    return {"SecretString": json.dumps(dict(zip(keys, secrets, strict=False)))}


@dataclass(slots=True)
class Stage:
    """The handler, and all of AWS that it asks."""

    endpoint: Endpoint
    environment: dict[str, str]
    now: float = 1_800_000_000.0
    web: Web = field(init=False)
    aws: Aws = field(init=False)

    def __post_init__(self) -> None:
        self.aws = Aws(self.environment, lambda: self.now)
        self.web = Web(self.environment, self.aws, lambda: self.now)

    def call(self, event: Mapping[str, Any]) -> tuple[int, str]:
        answer = self.web(event, None)
        return answer["statusCode"], answer["body"]

    def sent(self) -> list[Any]:
        return [asked.arguments for asked in self.endpoint.asked if asked.operation == "SendMessage"]


@pytest.fixture
def stage() -> Iterator[Stage]:
    with serving(GetSecretValue=held(NEW)) as endpoint:
        names = {"ORCH_AWS_EVENTS_QUEUE": "https://sqs/1/events.fifo", "ORCH_AWS_SECRET": "orch"}
        stage = Stage(endpoint, {**endpoint.environment, **names})
        yield stage
        stage.aws.close()


async def test_i1_what_is_answered_202_is_what_the_queue_gives(stack: Stack) -> None:
    with stack.clients() as clients:
        address, bucket = await make_queue(clients, unique("events") + ".fifo"), await make_bucket(clients)
        secret = json.dumps({"webhook_secret": NEW})
        made = await clients.call("secretsmanager", "create_secret", Name=unique("orch"), SecretString=secret)
        names = {
            "ORCH_AWS_EVENTS_QUEUE": address,
            "ORCH_AWS_SECRET": made["ARN"],
            "ORCH_AWS_BUCKET": bucket,
        }
        aws = Aws(stack.environment)
        web, large = Web(stack.environment | names, aws), large_body()
        events = [delivery(), delivery(), delivery(large, x_github_delivery="d-2")]
        assert [web(event, None)["statusCode"] for event in events] == [202, 202, 202]
        aws.close()
        clock = StackClock(stack)
        store = DynamoStore(clients, await make_table(clients), clock)
        queue = SqsEventQueue(clients, address, bucket, store, clock, lease_seconds=30, max_failures=3)
        found = []
        while lease := await queue.receive(0):
            found.append(lease.item)
            await lease.ack()
    assert [(each.id, each.group, each.source, each.name) for each in found] == [
        ("d-1", "repository:7/5", Source.GITHUB, "issues"),
        ("d-2", "repository:7/5", Source.GITHUB, "issues"),
    ]
    assert [zlib.decompress(each.body) for each in found] == [BODY, large]


def large_body() -> bytes:
    """Make a payload that is too large for a message however it is compressed."""
    return json.dumps({**PAYLOAD, "noise": Random(1).randbytes(LARGEST * 3 // 4).hex()}).encode()


def test_the_message_is_the_envelope_that_a_server_would_send(stage: Stage) -> None:
    assert stage.call(delivery()) == (202, "taken")
    [message] = stage.sent()
    envelope = unpack(decode(message.pop("MessageBody")))
    assert message == {
        "QueueUrl": "https://sqs/1/events.fifo",
        "MessageGroupId": "repository:7/5",
        "MessageDeduplicationId": "d-1",
    }
    assert datetime.now(UTC) - envelope.received_at < timedelta(minutes=1)
    assert envelope == Envelope(
        id="d-1",
        group="repository:7/5",
        source=Source.GITHUB,
        name="issues",
        body=zlib.compress(BODY, 1),
        received_at=envelope.received_at,
    )


def test_a_body_in_base64_is_decoded_before_its_signature_is_checked(stage: Stage) -> None:
    event = delivery() | {"body": b64encode(BODY).decode(), "isBase64Encoded": True}
    assert stage.call(event) == (202, "taken")


def test_people_may_write_what_they_like(stage: Stage) -> None:
    body = json.dumps({**PAYLOAD, "title": "caf\u00e9 \u2028 \U0001f980"}, ensure_ascii=False).encode()
    assert stage.call(delivery(body)) == (202, "taken")


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (delivery(x_hub_signature_256="sha256=0"), 401),
        (delivery(x_github_delivery="a b"), 400),
        (delivery(content_type="text/plain"), 415),
        (delivery(x_github_event="ping"), 200),
        (delivery(x_github_event="never_heard_of"), 202),
        (request("/webhook"), 405),
        (request("/webhook", "POST"), 401),
        (request("/webhook", "POST") | {"headers": None}, 401),
    ],
)
def test_what_is_no_delivery_is_answered_as_by_a_server_and_not_sent(
    stage: Stage, event: dict[str, Any], status: int
) -> None:
    assert (stage.call(event)[0], stage.sent()) == (status, [])


def test_the_way_to_deliver_is_told_to_whoever_only_looks(stage: Stage) -> None:
    assert stage.web(request("/webhook"), None)["headers"]["allow"] == "POST"


def test_secrets_are_read_once_per_container(stage: Stage) -> None:
    assert [stage.call(delivery())[0] for _ in range(3)] == [202] * 3
    stage.now += 3600
    assert stage.call(delivery())[0] == 202
    assert stage.endpoint.count("GetSecretValue") == 1


def test_forged_deliveries_have_the_secrets_read_once_a_minute_at_most(stage: Stage) -> None:
    forged = delivery(secret="guess")
    for _ in range(181):
        assert stage.call(forged)[0] == 401
        stage.now += 1
    assert stage.endpoint.count("GetSecretValue") == 4  # for the first, and at the begin of each minute after


def test_a_secret_is_replaced_while_both_are_in_use(stage: Stage) -> None:
    """First AWS has both, then GitHub signs with the new one; nothing is deployed, and nothing is refused."""
    stage.endpoint.answers["GetSecretValue"] = held(OLD)
    assert stage.call(delivery(secret=OLD))[0] == 202
    stage.endpoint.answers["GetSecretValue"] = held(NEW, OLD)
    stage.now += 60
    assert [stage.call(delivery(secret=secret))[0] for secret in (OLD, NEW, OLD, NEW)] == [202] * 4
    assert stage.endpoint.count("GetSecretValue") == 2
    stage.endpoint.answers["GetSecretValue"] = held(NEW)
    stage.now += 60
    assert [stage.call(delivery(secret=secret))[0] for secret in ("guess", OLD, NEW)] == [401, 401, 202]


def test_i1_without_its_secret_it_takes_nothing_and_goes_on_when_there_is_one(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.endpoint.answers["GetSecretValue"] = {"SecretString": '{"app_id": "1"}'}
    assert [stage.call(delivery())[0] for _ in range(3)] == [503] * 3
    assert stage.endpoint.count("GetSecretValue") == 1
    assert "ORCH_AWS_SECRET" in json.loads(capsys.readouterr().out)["error"]
    stage.endpoint.answers["GetSecretValue"] = held(NEW)
    stage.now += 1
    assert stage.call(delivery())[0] == 202


def test_secrets_that_cannot_be_read_anew_leave_those_that_are_known(stage: Stage) -> None:
    assert stage.call(delivery())[0] == 202
    stage.now += 60
    stage.endpoint.statuses = [400]
    assert [stage.call(delivery(secret=secret))[0] for secret in ("guess", NEW)] == [401, 202]


def test_i1_what_the_queue_does_not_take_is_503_so_that_it_is_delivered_again(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stage.call(delivery())[0] == 202
    stage.endpoint.statuses = [403]
    stage.endpoint.answers["SendMessage"] = {"message": "not signed: x-amz-security-token:example-session-token"}
    assert stage.call(delivery()) == (503, "the queue does not take deliveries now")
    stage.endpoint.statuses = [500, 0]
    assert stage.call(delivery())[0] == 503
    assert stage.call(delivery())[0] == 202
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["event"], first["level"], first["delivery"], first["task"]) == (
        "delivery not enqueued",
        "error",
        "d-1",
        "acme/widgets#5",
    )
    assert "403" in first["error"]
    assert "example-session-token" not in first["error"]
    assert second["event"] == "delivery not enqueued"


def test_i1_a_delivery_that_is_too_large_for_a_message_is_not_taken_without_a_bucket(stage: Stage) -> None:
    assert (stage.call(delivery(large_body()))[0], stage.sent()) == (503, [])


def test_i1_a_delivery_that_is_too_large_for_a_message_lies_in_the_bucket_first(stage: Stage) -> None:
    web = Web({**stage.environment, "ORCH_AWS_BUCKET": "orch"}, stage.aws)
    assert web(delivery(large_body()), None)["statusCode"] == 202
    [message] = stage.sent()
    key = key_in(message["MessageBody"])
    assert [asked.operation for asked in stage.endpoint.asked[-2:]] == [f"PUT /orch/{key}", "SendMessage"]
    assert zlib.decompress(unpack(decode(stage.endpoint.asked[-2].body.decode())).body) == large_body()


def test_at_debug_a_delivery_is_logged_by_its_ids(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    web = Web({**stage.environment, "ORCH_LOG_LEVEL": "debug"}, stage.aws)
    web(delivery(), None)
    web(delivery(x_github_event="fork"), None)
    taken, ignored = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert {**taken, "timestamp": ""} == {
        "delivery": "d-1",
        "name": "issues",
        "group": "repository:7/5",
        "task": "acme/widgets#5",
        "event": "delivery taken",
        "level": "debug",
        "timestamp": "",
    }
    assert (ignored["event"], ignored["name"]) == ("delivery ignored", "fork")


@pytest.mark.parametrize("missing", ["ORCH_AWS_EVENTS_QUEUE", "ORCH_AWS_SECRET"])
def test_a_setting_that_is_missing_is_named(stage: Stage, missing: str) -> None:
    with pytest.raises(Permanent, match=missing):
        Web({**stage.environment, missing: ""}, stage.aws)


CALLS = """
import json, sys
from app.entry.aws import web
for event in json.loads(sys.stdin.read()):
    answer = web(event, None)
    print(json.dumps([answer["statusCode"], answer["body"], sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_the_webhook_waits_for_no_import_and_all_else_works_beside_it(stage: Stage) -> None:
    """A process as Lambda starts it: the environment says all."""
    events = [delivery(), request("/healthz"), request("/readyz"), request("/healthz"), request("/none"), delivery()]
    environment = {"PYTHONPATH": ".", "PATH": "", **stage.environment}
    ended = subprocess.run(
        [sys.executable, "-c", CALLS],
        input=json.dumps(events),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [status for status, *_ in answers] == [202, 200, 200, 200, 404, 202]
    assert json.loads(answers[2][1]) == {"ready": True, "start": "ok", "secret": "ok"}
    heavy = {"aiohttp", "asyncio", "boto3", "botocore", "gidgethub", "mangum", "pydantic", "starlette", "structlog"}
    assert heavy & set(answers[0][2]) == set()
    assert {"mangum", "starlette"} <= set(answers[1][2])
    assert not {"boto3", "aiohttp", "gidgethub"} & set(answers[-1][2])


def test_a_session_that_an_application_keeps_outlives_a_call() -> None:
    """All calls are in one event loop, and what lives in it goes on living in the next."""
    served: dict[str, Any] = {"POST /": {"here": True}}
    with serving(**served) as endpoint:
        sessions: list[aiohttp.ClientSession] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if Request(scope).url.path == "/close":
                await sessions[0].close()
            elif not sessions:
                sessions.append(aiohttp.ClientSession())
            if not sessions[0].closed:
                await (await sessions[0].post(endpoint.url)).read()
            await PlainTextResponse(f"{len(endpoint.asked)}")(scope, receive, send)

        others = Others(app)
        answers = [others(request(path), None)["body"] for path in ("/", "/", "/close")]
        others.loop.close()
        asyncio.set_event_loop(None)
    assert (answers, len({asked.port for asked in endpoint.asked})) == (["1", "2", "2"], 1)
