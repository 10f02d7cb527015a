"""The App's secrets on AWS: a JSON object in Secrets Manager, or parameters of SSM, by one name for both."""

import json
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from app.domain.errors import Permanent, Retryable

if TYPE_CHECKING:
    from infra.aws.clients import Clients
    from infra.aws.sigv4 import Aws

SSM = "ssm:"
KEYS = ("app_id", "private_key", "webhook_secret", "webhook_secret_before")
WEBHOOK_KEYS = KEYS[2:]
RENEW_SECONDS = 60.0
"""For so long at least no newer webhook secret is looked for, so that forged deliveries cost nothing."""
AGAIN_SECONDS = 1.0
"""The same where none is known yet."""


class Call(NamedTuple):
    """A call to be made, in AWS's words."""

    service: str
    operation: str
    arguments: dict[str, Any]


Reading = Generator[Call, Mapping[str, Any], dict[str, str]]


def read(aws: "Aws", name: str) -> dict[str, str]:
    """Return what is set of `KEYS` under a name: that or the ARN of a secret, or `ssm:/path/`.

    Raises Permanent if it cannot be read, Retryable for what passes.
    """
    reading = _reading(name)
    try:
        call = next(reading)
        while True:
            call = reading.send(aws.call(*call))
    except StopIteration as found:
        return _kept(found.value)


async def fetch(clients: "Clients", name: str) -> dict[str, str]:
    """Return what `read` returns, by boto3 and so with whatever credentials it finds."""
    reading = _reading(name)
    try:
        call = next(reading)
        while True:
            operation = "".join(f"_{each.lower()}" if each.isupper() else each for each in call.operation).lstrip("_")
            call = reading.send(await clients.call(call.service, operation, **call.arguments))
    except StopIteration as found:
        return _kept(found.value)


def webhook_secrets(values: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return what deliveries may be signed with: two secrets while one replaces the other. Raises Permanent if none."""
    found = tuple(values[key].encode() for key in WEBHOOK_KEYS if values.get(key))
    if not found:
        raise Permanent("the secret named by ORCH_AWS_SECRET has no webhook_secret: set it to that of the App")
    return found


class WebhookSecrets:
    """What deliveries are signed with, as known since it was last looked for; seconds are by any steady clock."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self.known: tuple[bytes, ...] = ()
        self._seconds = seconds
        self._looked: float | None = None

    def is_due(self) -> bool:
        """Say whether to look for newer ones now, which then counts as done."""
        now, wait = self._seconds(), RENEW_SECONDS if self.known else AGAIN_SECONDS
        if self._looked is not None and now - self._looked < wait:
            return False
        self._looked = now
        return True

    def take(self, found: tuple[bytes, ...]) -> bool:
        """Know these from now on, and say whether they are others."""
        changed = found != self.known
        self.known = found
        return changed


class FetchedSecrets(WebhookSecrets):
    """Webhook secrets for a server on AWS, which has the first of them before it takes deliveries."""

    def __init__(self, clients: "Clients", name: str, first: tuple[bytes, ...], seconds: Callable[[], float]) -> None:
        super().__init__(seconds)
        self._clients, self._name = clients, name
        self.take(first)

    async def renew(self) -> bool:
        """Look for newer ones if it is time; that they cannot be had leaves those that are known."""
        if not self.is_due():
            return False
        try:
            return self.take(webhook_secrets(await fetch(self._clients, self._name)))
        except (Retryable, Permanent) as error:
            from app.log import log  # noqa: PLC0415 - it brings structlog, for which the web Lambda does not wait

            log().warning("webhook secrets cannot be read anew", reason=str(error))
            return False


def _reading(name: str) -> Reading:
    if name.startswith(SSM):
        return _parameters(name.removeprefix(SSM).rstrip("/") + "/")
    return _secret(name)


def _secret(name: str) -> Reading:
    answer = yield Call("secretsmanager", "GetSecretValue", {"SecretId": name})
    try:
        values = json.loads(answer.get("SecretString") or "")
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise Permanent(f"the secret {name} is no JSON object with the keys {', '.join(KEYS[:3])}")
    return {key: str(value) for key, value in values.items() if isinstance(value, str | int)}


def _parameters(path: str) -> Reading:
    values: dict[str, str] = {}
    more: dict[str, str] = {}
    while True:  # SSM answers in pages, of which each but the last has a token for the next
        arguments = {"Path": path, "WithDecryption": True, **more}
        answer = yield Call("ssm", "GetParametersByPath", arguments)
        values |= {each["Name"].removeprefix(path): each["Value"] for each in answer.get("Parameters", ())}
        if not answer.get("NextToken"):
            return values
        more = {"NextToken": answer["NextToken"]}


def _kept(values: Mapping[str, str]) -> dict[str, str]:
    """Take what is ours, without the line's end that comes along when it is pasted or read from a file."""
    return {key: value for key in KEYS if (value := values.get(key, "").strip("\r\n"))}
