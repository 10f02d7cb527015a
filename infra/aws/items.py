"""Documents as items of a DynamoDB table.

Attributes: `partition` and `key`; `version`; `body`, compressed JSON; `until`, the second at which a document is over,
and `expires`, the same for DynamoDB to delete it some time after; `write` and `before`, the ids of the last two writes.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any

from app.domain.errors import Permanent
from app.ports import Document
from infra.documents import dump_body

LARGEST = 400 << 10
"""Bytes of an item, its attributes' names included."""
ATTRIBUTES = 200
"""Bytes of all but the key and the body, at most."""

Item = Mapping[str, Mapping[str, Any]]


def item_key(partition: str, key: str) -> dict[str, dict[str, str]]:
    """Return the primary key of a document."""
    return {"partition": {"S": partition}, "key": {"S": key}}


def pack_body(partition: str, key: str, body: Mapping[str, Any]) -> bytes:
    """Compress a body; raises ValueError if it is no JSON, Permanent if DynamoDB would not take it."""
    packed = zlib.compress(dump_body(body).encode())
    size = len(packed) + len(partition.encode()) + len(key.encode()) + ATTRIBUTES
    if size > LARGEST:
        raise Permanent(
            f"{partition} {key} has {size} bytes, compressed, and DynamoDB takes {LARGEST} for one document; "
            "it must become smaller"
        )
    return packed


def is_alive(item: Item, now: float) -> bool:
    """Tell if an item is not over; DynamoDB deletes those that are when it finds the time."""
    return "until" not in item or float(item["until"]["N"]) > now


def document_of(item: Item) -> Document:
    """Read an item."""
    body = json.loads(zlib.decompress(item["body"]["B"]))
    return Document(item["key"]["S"], int(item["version"]["N"]), body)


def was_written_by(item: Item, write: str) -> bool:
    """Tell if a write was the last of an item, or the last but one."""
    return write in {item[name]["S"] for name in ("write", "before") if name in item}
