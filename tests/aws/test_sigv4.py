"""AWS called by hand: signed as boto3 signs, over a connection that is kept, mended and given up."""

import ssl
import time
from calendar import timegm
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.domain.errors import Permanent, Retryable
from infra.aws.sigv4 import IDLE_SECONDS, Aws, Credentials, Request, address, signed, tls
from tests.aws.endpoint import Endpoint, serving
from tests.aws.stack import Stack, make_bucket, make_queue, unique

SQS_HEADERS = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage", "host": "h:1"}


@dataclass(slots=True)
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving(SendMessage={"MessageId": "m-1"}) as endpoint:
        yield endpoint


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def aws(endpoint: Endpoint, clock: Clock) -> Iterator[Aws]:
    aws = Aws(endpoint.environment, clock)
    yield aws
    aws.close()


def send(aws: Aws) -> str:
    answer: str = aws.call("sqs", "SendMessage", {"QueueUrl": "q", "MessageBody": "caf\u00e9"})["MessageId"]
    return answer


@pytest.mark.parametrize("token", ["", "session/token+=="])
@pytest.mark.parametrize("body", [b"", b'{"QueueUrl": "q"}'])
def test_requests_are_signed_as_botocore_signs_them(token: str, body: bytes) -> None:
    theirs = AWSRequest("POST", "http://h:1/", data=body, headers=SQS_HEADERS)
    SigV4Auth(BotoCredentials("AKID", "secret", token or None), "sqs", "eu-central-1").add_auth(theirs)
    at = timegm(time.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))
    ours = signed(
        Request("POST", "/", SQS_HEADERS, body), "sqs", "eu-central-1", Credentials("AKID", "secret", token), at
    )
    assert ours["authorization"] == theirs.headers["Authorization"]
    assert ours.get("x-amz-security-token") == theirs.headers["X-Amz-Security-Token"]


def test_objects_are_signed_as_botocore_signs_them(endpoint: Endpoint) -> None:
    aws = Aws(endpoint.environment)
    aws.put("bucket", "large/0a", b"text")
    aws.close()
    [asked] = endpoint.asked
    path, theirs = "/bucket/large/0a", dict(asked.headers)
    request = AWSRequest("PUT", endpoint.url + path, data=b"text", headers={"host": theirs["host"]})
    auth = S3SigV4Auth(
        BotoCredentials("AKIDEXAMPLE", "example-secret-key", "example-session-token"), "s3", "eu-central-1"
    )
    request.context["timestamp"] = theirs["x-amz-date"]
    request.headers["X-Amz-Date"] = theirs["x-amz-date"]
    request.headers["X-Amz-Security-Token"] = theirs["x-amz-security-token"]
    request.headers["X-Amz-Content-SHA256"] = theirs["x-amz-content-sha256"]
    text = auth.string_to_sign(request, auth.canonical_request(request))
    assert asked.operation == f"PUT {path}"
    assert theirs["authorization"].endswith(auth.signature(text, request))


def test_a_call_is_made_in_the_words_of_the_service(aws: Aws, endpoint: Endpoint) -> None:
    assert send(aws) == "m-1"
    [asked] = endpoint.asked
    assert (asked.arguments, asked.headers["content-type"]) == (
        {"QueueUrl": "q", "MessageBody": "caf\u00e9"},
        "application/x-amz-json-1.0",
    )


def test_a_connection_is_kept_between_calls(aws: Aws, endpoint: Endpoint) -> None:
    assert [send(aws), send(aws), send(aws)] == ["m-1"] * 3
    assert len({asked.port for asked in endpoint.asked}) == 1


def test_a_connection_that_rested_for_long_is_not_trusted(aws: Aws, clock: Clock, endpoint: Endpoint) -> None:
    send(aws)
    clock.now += IDLE_SECONDS + 1
    send(aws)
    assert len({asked.port for asked in endpoint.asked}) == 2


def test_a_connection_that_was_closed_meanwhile_is_opened_anew(aws: Aws, endpoint: Endpoint) -> None:
    endpoint.hangs_up = True
    assert [send(aws), send(aws), send(aws)] == ["m-1"] * 3
    assert len({asked.port for asked in endpoint.asked}) == 3


@pytest.mark.parametrize("status", [0, 500, 503])
def test_what_fails_once_is_asked_again(aws: Aws, endpoint: Endpoint, status: int) -> None:
    endpoint.statuses = [status]
    assert send(aws) == "m-1"
    assert endpoint.count("SendMessage") == 2


@pytest.mark.parametrize("status", [0, 503])
def test_what_fails_twice_is_for_later(aws: Aws, endpoint: Endpoint, status: int) -> None:
    endpoint.statuses = [status] * 2
    with pytest.raises(Retryable, match="sqs SendMessage"):
        send(aws)
    assert (endpoint.count("SendMessage"), send(aws)) == (2, "m-1")


def test_a_refusal_says_what_aws_said_and_is_not_asked_again(aws: Aws, endpoint: Endpoint) -> None:
    endpoint.answers["SendMessage"] = {"__type": "com.amazonaws.sqs#QueueDoesNotExist"}
    endpoint.statuses = [400]
    with pytest.raises(Permanent, match=r"400.*QueueDoesNotExist"):
        send(aws)
    assert endpoint.count("SendMessage") == 1


def test_where_nobody_listens_is_for_later() -> None:
    with pytest.raises(Retryable, match="ConnectionRefused"):
        send(Aws({"AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:9", "AWS_ENDPOINT_URL": "http://127.0.0.1:8"}))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for loopback, and its key, in one file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(hours=1), now + timedelta(hours=1))
        .add_extension(loopback, critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "loopback.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(secret + made.public_bytes(Encoding.PEM))
    return file


@pytest.mark.parametrize("known", [True, False])
def test_aws_is_believed_by_its_certificate(certificate: Path, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate)
    tls.cache_clear()
    with serving(server, SendMessage={"MessageId": "m-1"}) as endpoint:
        aws = Aws(endpoint.environment)
        if known:
            assert [send(aws), send(aws)] == ["m-1"] * 2
        else:
            with pytest.raises(Retryable, match="certificate verify failed"):
                send(aws)
        aws.close()
    tls.cache_clear()
    assert len({asked.port for asked in endpoint.asked}) == known


async def test_sqs_takes_what_is_sent_by_hand(stack: Stack) -> None:
    with stack.clients() as clients:
        queue, bucket = await make_queue(clients, unique("events") + ".fifo"), await make_bucket(clients)
        aws = Aws(stack.environment)
        sent = {"MessageBody": "caf\u00e9", "MessageGroupId": "repository:7/5", "MessageDeduplicationId": "d-1"}
        ids = {aws.call("sqs", "SendMessage", {"QueueUrl": queue, **sent})["MessageId"] for _ in range(2)}
        aws.put(bucket, "large/0a", b"text")
        aws.close()
        received = await clients.call("sqs", "receive_message", QueueUrl=queue, MaxNumberOfMessages=10)
        found = await clients.call("s3", "list_objects_v2", Bucket=bucket)
    assert [(message["MessageId"], message["Body"]) for message in received["Messages"]] == [(*ids, "caf\u00e9")]
    assert [(each["Key"], each["Size"]) for each in found["Contents"]] == [("large/0a", 4)]


@pytest.mark.parametrize(
    ("environment", "region", "found"),
    [
        ({}, "eu-central-1", "https://sqs.eu-central-1.amazonaws.com"),
        ({}, "cn-north-1", "https://sqs.cn-north-1.amazonaws.com.cn"),
        ({"AWS_ENDPOINT_URL": "http://all"}, "eu-central-1", "http://all"),
        ({"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_SQS": "http://sqs"}, "eu-central-1", "http://sqs"),
    ],
)
def test_a_service_is_in_the_region_unless_the_environment_says_where(
    environment: dict[str, str], region: str, found: str
) -> None:
    assert address(environment, region, "sqs", "SQS") == found
