"""Envelopes as bytes. Packing needs the standard library alone: the web Lambda's start must not wait for more."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.domain.envelope import Envelope


class Packable(Protocol):
    """What has an envelope's fields: an `Envelope`, or a delivery that was just taken."""

    @property
    def id(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def received_at(self) -> datetime: ...
    @property
    def not_before(self) -> datetime | None: ...


def pack(envelope: Packable) -> bytes:
    """Return a line of JSON, and after it the body as it is."""
    head = {
        "id": envelope.id,
        "group": envelope.group,
        "source": envelope.source,
        "name": envelope.name,
        "received_at": envelope.received_at.isoformat(),
        "not_before": envelope.not_before.isoformat() if envelope.not_before else None,
    }
    if trace := getattr(envelope, "trace", None):
        head["trace"] = trace  # else left out: an Orch that knows no such field reads the envelope, too
    return b"%s\n%s" % (json.dumps(head).encode(), envelope.body)


def unpack(data: bytes) -> "Envelope":
    """Undo `pack`; raises ValueError."""
    from app.domain.envelope import Envelope  # noqa: PLC0415 - it brings pydantic, which packing does without

    head, _, body = data.partition(b"\n")
    fields = json.loads(head)
    if not isinstance(fields, dict):
        raise ValueError("these bytes are no envelope")  # noqa: TRY004 - to whoever reads them it is their value
    return Envelope.model_validate({**fields, "body": body})
