"""boto3 clients, made when first needed and used in threads; what AWS refuses becomes our own errors."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any

from app.domain.errors import Permanent, Retryable, Unauthorized

CALLS = 16
"""Calls at the same time; a thread and a connection each."""
WAITS = 32
"""Calls at the same time that only wait for something to come, so that they never keep others from being made."""
CONNECT_SECONDS = 5
READ_SECONDS = 30
"""More than the 20 that a long poll may take."""
FUNCTION_SECONDS = 65
"""More than a function may take that is invoked: asked again sooner, it would do the same twice at the same time."""
ATTEMPTS = 4
FUNCTION_ATTEMPTS = 2
"""A job must stay with its runner for longer than these take, which is told with each beat that it goes on."""
TALKATIVE = ("botocore", "boto3", "urllib3")
"""Whose debug logs hold all that is sent and answered: secrets, and where this task's credentials are."""
CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "UnrecognizedClientException",
}
PASSING = {
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "LimitExceededException",
    "OverLimit",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "ServiceException",
    "ServiceUnavailable",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
}


class RefusedByAws(Permanent):
    """AWS refuses the call. `code` is its own word for why, `response` all that it said."""

    def __init__(self, service: str, operation: str, code: str, message: str, response: dict[str, Any]) -> None:
        super().__init__(f"{service} {operation}: {code}: {message}")
        self.code = code
        self.response = response


class Clients:
    """Calls AWS. Region, address and credentials are found as boto3 finds them where they are not given."""

    def __init__(self, *, region: str | None = None, endpoint: str | None = None) -> None:
        self._region, self._endpoint = region, endpoint
        self._clients = dict[str, Any]()
        self._lock = Lock()
        self._calls = ThreadPoolExecutor(CALLS, "aws")
        self._waits = ThreadPoolExecutor(WAITS, "aws-wait")

    async def call(self, service: str, operation: str, *, waits: bool = False, **arguments: Any) -> dict[str, Any]:
        """Call an operation, in boto3's words for both; one that `waits` for long has a thread of its own.

        What AWS streams was read: `Body` and `Payload` are bytes.

        Raises Retryable for what passes, Unauthorized for credentials, else RefusedByAws. A call that was begun goes on
        when its caller is cancelled.
        """
        work = partial(self._call, service, operation, arguments)
        return await asyncio.get_running_loop().run_in_executor(self._waits if waits else self._calls, work)

    def close(self) -> None:
        """Let calls under way end by themselves, and make no more."""
        self._calls.shutdown(wait=False)
        self._waits.shutdown(wait=False)
        for client in self._clients.values():
            client.close()

    def _call(self, service: str, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import (  # noqa: PLC0415 - where nobody calls AWS, memory and time are spared
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            NoRegionError,
        )

        try:
            made: Callable[..., dict[str, Any]] = getattr(self._client(service), operation)
            return _read(made(**arguments))
        except ClientError as error:
            raise _fault(service, operation, dict(error.response)) from error
        except NoCredentialsError as error:
            raise Unauthorized(f"AWS: {error}; give this process a role, or credentials as boto3 finds them") from error
        except NoRegionError as error:
            raise Permanent("AWS: no region is named; set AWS_REGION, as in AWS_REGION=eu-central-1") from error
        except BotoCoreError as error:
            raise Retryable(f"{service} {operation}: {error}") from error

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = _make(service, self._region, self._endpoint)
            return self._clients[service]


def _make(service: str, region: str | None, endpoint: str | None) -> Any:
    import boto3  # noqa: PLC0415 - as above
    from botocore.config import Config  # noqa: PLC0415 - as above

    for library in TALKATIVE:
        logging.getLogger(library).setLevel(logging.WARNING)
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=FUNCTION_SECONDS if service == "lambda" else READ_SECONDS,
        max_pool_connections=CALLS + WAITS,
        retries={"mode": "standard", "total_max_attempts": FUNCTION_ATTEMPTS if service == "lambda" else ATTEMPTS},
        tcp_keepalive=True,
    )
    return boto3.session.Session(region_name=region).client(service, endpoint_url=endpoint, config=config)


def _read(response: dict[str, Any]) -> dict[str, Any]:
    """Read what is streamed, here in the thread: `Body` of S3, `Payload` of Lambda are bytes then."""
    return {name: value.read() if hasattr(value, "read") else value for name, value in response.items()}


def _fault(service: str, operation: str, response: dict[str, Any]) -> Exception:
    error = response.get("Error", {})
    code, message = str(error.get("Code", "Unknown")), str(error.get("Message", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in CREDENTIALS:
        return Unauthorized(f"AWS does not take our credentials: {code}: {message}")
    if code in PASSING or status >= 500 or status == 429:
        return Retryable(f"{service} {operation}: {code}: {message}")
    return RefusedByAws(service, operation, code, message, response)
