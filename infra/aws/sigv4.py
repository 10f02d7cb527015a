"""AWS called with the standard library alone, signed by hand: to import boto3 takes longer than to take a delivery."""

import hmac
import json
import ssl
import time
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from app.domain.errors import Permanent, Retryable

TRIES = 2
"""How often a request is made that nobody answers, or with a 5xx; all that are made here may be made twice."""
SECONDS = 3.0
"""How long AWS may keep silent: GitHub waits 10 seconds in all."""
IDLE_SECONDS = 20.0
"""How long a connection is kept: one that was dropped unseen on the way would only be found out by silence."""


class Protocol(NamedTuple):
    """How a service wants to be asked; `name` is that of its variable, as in AWS_ENDPOINT_URL_SQS."""

    name: str
    target: str
    version: str


PROTOCOLS = {
    "sqs": Protocol("SQS", "AmazonSQS", "1.0"),
    "secretsmanager": Protocol("SECRETS_MANAGER", "secretsmanager", "1.1"),
    "ssm": Protocol("SSM", "AmazonSSM", "1.1"),
}


class Credentials(NamedTuple):
    """What requests are signed with; `token` is that of a session, and empty without one."""

    key: str
    secret: str
    token: str = ""


class Request(NamedTuple):
    """What is signed: a request without a query, whose header names are in lower case, `host` among them."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def signed(request: Request, service: str, region: str, credentials: Credentials, at: float) -> dict[str, str]:
    """Return the headers of a request with its signature (AWS Signature Version 4); `at` is in seconds of the epoch."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    headers = {**request.headers, "x-amz-date": moment}
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    names = sorted(headers)
    lines = [f"{name}:{headers[name].strip()}" for name in names]
    told = ";".join(names)
    asked = "\n".join([request.method, request.path, "", *lines, "", told, sha256(request.body).hexdigest()])
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, sha256(asked.encode()).hexdigest()])
    key = ("AWS4" + credentials.secret).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.key}/{scope}, SignedHeaders={told}, Signature={signature}"
    )
    return headers


class Aws:
    """Calls AWS as the environment of a Lambda function says; one call at a time."""

    def __init__(self, environment: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self._environment = environment
        self._region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or ""
        self._credentials = Credentials(
            environment.get("AWS_ACCESS_KEY_ID", ""),
            environment.get("AWS_SECRET_ACCESS_KEY", ""),
            environment.get("AWS_SESSION_TOKEN", ""),
        )
        self._clock = clock
        self._lines = dict[str, _Line]()

    def call(self, service: str, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call an operation of one of `PROTOCOLS`, in AWS's words for all.

        Raises Retryable when nobody answers or with a 5xx, else Permanent.
        """
        protocol = PROTOCOLS[service]
        headers = {
            "content-type": f"application/x-amz-json-{protocol.version}",
            "x-amz-target": f"{protocol.target}.{operation}",
        }
        body = json.dumps(arguments).encode()
        answer = self._ask(service, protocol.name, operation, Request("POST", "/", headers, body))
        found: dict[str, Any] = json.loads(answer)
        return found

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Write an object whose key has no characters that S3 wants escaped; raises as `call`."""
        headers = {"x-amz-content-sha256": sha256(body).hexdigest()}
        self._ask("s3", "S3", "PutObject", Request("PUT", f"/{bucket}/{key}", headers, body))

    def close(self) -> None:
        """Close the connections; the next call opens its own anew."""
        for line in self._lines.values():
            line.close()

    def _ask(self, service: str, name: str, operation: str, request: Request) -> bytes:
        if service not in self._lines:
            self._lines[service] = _Line(address(self._environment, self._region, service, name), self._clock)
        line = self._lines[service]
        request = request._replace(headers={**request.headers, "host": line.host})
        headers = signed(request, service, self._region, self._credentials, self._clock())
        try:
            status, answer = line.ask(request, headers)
        except (OSError, HTTPException) as error:
            raise Retryable(f"{service} {operation}: {type(error).__name__}: {error}") from error
        if status < 300:
            return answer
        why = f"{service} {operation}: {status}: {answer[:500].decode(errors='replace')}"
        raise Retryable(why) if status >= 500 else Permanent(why)


def address(environment: Mapping[str, str], region: str, service: str, name: str) -> str:
    """Return where a service is: as the environment says, by the service's `name` or for all, else in the region."""
    given = environment.get(f"AWS_ENDPOINT_URL_{name}") or environment.get("AWS_ENDPOINT_URL")
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return given or f"https://{service}.{region}.{suffix}"


class _Line:
    """A connection that is kept between requests, and opened anew when it was closed meanwhile."""

    def __init__(self, address: str, clock: Callable[[], float]) -> None:
        parts = urlsplit(address)
        self.host = parts.netloc
        self._connection = (
            HTTPSConnection(parts.netloc, timeout=SECONDS, context=tls())
            if parts.scheme == "https"
            else HTTPConnection(parts.netloc, timeout=SECONDS)
        )
        self._clock = clock
        self._used = 0.0

    def close(self) -> None:
        self._connection.close()

    def ask(self, request: Request, headers: Mapping[str, str]) -> tuple[int, bytes]:
        for left in reversed(range(TRIES)):
            try:
                status, answer = self._once(request, headers)
            except (OSError, HTTPException):
                self._connection.close()
                if not left:
                    raise
            else:
                if status < 500 or not left:
                    break
        return status, answer

    def _once(self, request: Request, headers: Mapping[str, str]) -> tuple[int, bytes]:
        # by the clock of the wall: a function that is frozen between two calls may not see any other go on
        if not 0 <= self._clock() - self._used < IDLE_SECONDS:
            self._connection.close()
        self._connection.request(request.method, request.path, request.body, dict(headers))
        response = self._connection.getresponse()
        answer = response.read()
        self._used = self._clock()
        return response.status, answer


@cache
def tls() -> ssl.SSLContext:
    """Read the certificates of authorities once: that takes long."""
    return ssl.create_default_context()
