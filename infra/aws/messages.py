"""Envelopes as messages of the events queue, with the standard library alone."""

import re
import zlib
from base64 import b64decode, b64encode
from hashlib import sha256

from infra.packing import Packable, pack

LARGEST = 900_000
"""Characters of a message's text; SQS takes 1 MiB with all that belongs to it. What is larger lies in S3."""
FOLDER = "large/"
_IN_S3 = "s3:"
"""No text in base64 begins with it."""
_TAKEN = re.compile(r"[!-~]{1,128}")


def message_of(envelope: Packable) -> dict[str, str]:
    """Return what SendMessage to the FIFO queue needs besides the queue; the text may be larger than `LARGEST`."""
    return {
        "MessageBody": encode(pack(envelope)),
        "MessageGroupId": _id(envelope.group),
        "MessageDeduplicationId": _id(envelope.id),
    }


def encode(packed: bytes) -> str:
    """Return a packed envelope as text."""
    return b64encode(zlib.compress(packed, 1)).decode()


def decode(text: str) -> bytes:
    """Undo `encode`; raises ValueError."""
    try:
        return zlib.decompress(b64decode(text, validate=True))
    except zlib.error as error:
        raise ValueError(f"the message is no envelope: {error}") from error


def key_of_large(text: str) -> str:
    """Name the object in S3 that holds a text over `LARGEST`; the same text always lies in the same one."""
    return FOLDER + sha256(text.encode()).hexdigest()


def pointer_to(key: str) -> str:
    """Return the text of a message whose own lies in S3."""
    return _IN_S3 + key


def key_in(text: str) -> str | None:
    """Return the key that a pointer points to; None for a text that is no pointer."""
    key = text.removeprefix(_IN_S3)
    return key if key != text and key.startswith(FOLDER) else None


def _id(name: str) -> str:
    """Return what SQS takes for a name, as it is where that is possible."""
    return name if _TAKEN.fullmatch(name) else sha256(name.encode()).hexdigest()
