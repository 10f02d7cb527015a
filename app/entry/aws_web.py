"""The web Lambda function: webhooks with the standard library alone, all else over the ASGI application.

API Gateway's HTTP APIs (format 2.0) and function URLs call it alike. What is imported here is waited for by the first
delivery to each new container; so the rest comes with the first request that needs it.
"""

import json
import os
import time
import zlib
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from app.domain.errors import Permanent, Retryable
from app.web.deliveries import IGNORED, NO_POST, NOT_TAKEN, TAKEN, UNSIGNED, Answer, Delivery, judge
from app.web.head import read_head
from infra.aws.messages import LARGEST, key_of_large, message_of, pointer_to
from infra.aws.secrets import WebhookSecrets, read, webhook_secrets
from infra.aws.sigv4 import Aws

if TYPE_CHECKING:
    from mangum.types import ASGI

LEVELS = ("debug", "info", "warning", "error")
NO_SECRET = Answer(503, "the webhook secret cannot be read now")
Event = Mapping[str, Any]


def web(event: Event, context: object) -> dict[str, Any]:
    """Answer a request that API Gateway or a function URL hands over."""
    return _web()(event, context)


@cache
def _web() -> "Web":
    # The environment is read here, and not by app.settings, which would bring pydantic.
    made = Web
    if any(value and name.startswith("OTEL_EXPORTER_OTLP_") for name, value in os.environ.items()):
        from app.entry.aws_watched_web import WatchedWeb as made  # noqa: PLC0415 - it costs a start what it weighs
    return made(os.environ, Aws(os.environ))


class Taken(NamedTuple):
    """A delivery with the fields of an envelope."""

    id: str
    group: str
    source: str
    name: str
    body: bytes
    received_at: datetime
    not_before: None = None
    trace: str | None = None


class Web:
    """Answers requests, one at a time; what it found out it keeps for as long as its container lives."""

    def __init__(self, environment: Mapping[str, str], aws: Aws, seconds: Callable[[], float] = time.time) -> None:
        self._aws = aws
        self._queue = _named(environment, "ORCH_AWS_EVENTS_QUEUE")
        self._secret = _named(environment, "ORCH_AWS_SECRET")
        self._bucket = environment.get("ORCH_AWS_BUCKET", "")
        self._log = Log(environment)
        self._secrets = WebhookSecrets(seconds)
        self._others: Others | None = None

    def __call__(self, event: Event, context: object) -> dict[str, Any]:
        if event["rawPath"] == "/webhook":
            return _response(self.receive(event))
        if self._others is None:
            self._others = Others(self._app())
        return self._others(event, context)

    def receive(self, event: Event) -> Answer:
        """Answer a delivery, as `judge` says: 202 only after it lies in the queue, or if it means nothing to Orch."""
        if event["requestContext"]["http"]["method"] != "POST":
            return NO_POST
        if not self._secrets.known and not self._renew():
            return NO_SECRET
        headers, body = event.get("headers") or {}, _body(event)
        found = judge(headers, body, self._secrets.known, read_head)
        if found is UNSIGNED and self._renew():
            found = judge(headers, body, self._secrets.known, read_head)
        if isinstance(found, Delivery):
            return self._enqueue(found, body)
        if found is IGNORED:
            self._log(
                "debug", "delivery ignored", delivery=headers["x-github-delivery"], name=headers["x-github-event"]
            )
        return found

    def _renew(self) -> bool:
        """Look for newer secrets if it is time; that they cannot be had leaves those that are known."""
        if not self._secrets.is_due():
            return False
        try:
            return self._secrets.take(webhook_secrets(read(self._aws, self._secret)))
        except (Permanent, Retryable) as error:
            self._log("error", "webhook secret not read", error=str(error))
            return False

    def _enqueue(self, delivery: Delivery, body: bytes) -> Answer:
        packed, now = zlib.compress(body, 1), datetime.now(UTC)
        try:
            self._send(Taken(delivery.id, delivery.group, "github", delivery.name, packed, now))
        except Exception as error:  # whatever keeps the queue from taking it, GitHub must be able to send it again
            self._log("error", "delivery not enqueued", delivery=delivery.id, error=str(error), **delivery.about)
            return NOT_TAKEN
        facts = {"delivery": delivery.id, "name": delivery.name, "group": delivery.group, **delivery.about}
        self._log("debug", "delivery taken", **facts)
        return TAKEN

    def _send(self, taken: Taken) -> None:
        message = message_of(taken)
        text = message["MessageBody"]
        if len(text) > LARGEST:
            if not self._bucket:
                raise Permanent("it is too large for a message, and ORCH_AWS_BUCKET is not set")
            key = key_of_large(text)
            self._aws.put(self._bucket, key, text.encode())
            message["MessageBody"] = pointer_to(key)
        self._aws.call("sqs", "SendMessage", {"QueueUrl": self._queue, **message})

    def _app(self) -> "ASGI":
        from app.log import configure  # noqa: PLC0415 - see above
        from app.web.asgi import health_app  # noqa: PLC0415 - see above
        from app.web.health import Health, Probe  # noqa: PLC0415 - see above
        from infra.local.clock import SystemClock  # noqa: PLC0415 - see above

        async def check() -> None:
            webhook_secrets(read(self._aws, self._secret))

        configure(as_json=True)
        health = Health({"secret": Probe(check, SystemClock(), 60)})
        health.begin()
        return health_app(health)


class Others:
    """Answers requests by an ASGI application, in one event loop: sessions that it keeps outlive a call."""

    def __init__(self, app: "ASGI") -> None:
        import asyncio  # noqa: PLC0415 - see above

        from mangum import Mangum  # noqa: PLC0415 - see above

        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)  # Mangum runs each call in the one that is set, and never closes it
        self._mangum = Mangum(app, lifespan="off")

    def __call__(self, event: Event, context: object) -> dict[str, Any]:
        answer: dict[str, Any] = self._mangum(dict(event), context)  # type: ignore[arg-type]  # any object will do
        return answer


class Log:
    """Writes lines as `app.log` does in JSON, to where Lambda takes them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        level = environment.get("ORCH_LOG_LEVEL", "")
        self._least = LEVELS.index(level if level in LEVELS else "info")
        self._secrets = [environment.get(name, "") for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]

    def __call__(self, level: str, event: str, **facts: str) -> None:
        if LEVELS.index(level) < self._least:
            return
        if "error" in facts:  # what others say of a request may hold what it was signed with
            from app.redaction import Redaction  # noqa: PLC0415 - see above

            facts["error"] = Redaction(self._secrets).text(facts["error"])
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        print(json.dumps({**facts, "event": event, "level": level, "timestamp": now}), flush=True)


def _named(environment: Mapping[str, str], name: str) -> str:
    if not (value := environment.get(name, "")):
        raise Permanent(f"{name} must be set")
    return value


def _body(event: Event) -> bytes:
    """Return what was signed: Lambda hands over in base64 what it does not take for text."""
    body: str = event.get("body") or ""
    return b64decode(body) if event.get("isBase64Encoded") else body.encode(errors="surrogatepass")


def _response(answer: Answer) -> dict[str, Any]:
    headers = {"content-type": "text/plain; charset=utf-8"}
    if answer is NO_POST:
        headers["allow"] = "POST"
    return {"statusCode": answer.status, "headers": headers, "body": answer.text, "isBase64Encoded": False}
