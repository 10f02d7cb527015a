"""Signed structured data inside Orch's own comments.

The HMAC covers repository id, issue number and JSON, so that a marker copied to another issue or changed by a person
does not count. Stated limit: with the store gone, a person with write access could put back an older signed body.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from pydantic import ValidationError

from app.domain.names import TaskRef
from app.domain.record import TaskRecord

FORMAT = 1
_MARKER = re.compile(r"<!-- orch:record v=([0-9]+) key=([0-9a-f]{8}) mac=([0-9a-f]{64})\n([^\n]*)\n-->")


class BadMarker(Exception):
    """A marker is there but does not count; the text says why."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Signing keys: the first signs, all verify. A key's id is the start of its hash, which gives nothing away."""

    keys: tuple[bytes, ...]

    @property
    def current(self) -> tuple[str, bytes]:
        return key_id(self.keys[0]), self.keys[0]

    @property
    def known(self) -> Mapping[str, bytes]:
        return {key_id(key): key for key in self.keys}


def key_id(key: bytes) -> str:
    """Name a key without giving it away."""
    return sha256(b"orch key id" + key).hexdigest()[:8]


def render_marker(record: TaskRecord, keyring: Keyring) -> str:
    """Render the hidden marker that holds the record."""
    identity, key = keyring.current
    text = _escape(record.model_dump_json(exclude={"comment_id"}, exclude_defaults=True))
    return f"<!-- orch:record v={FORMAT} key={identity} mac={_mac(key, record.task, text)}\n{text}\n-->"


def parse_marker(body: str, keyring: Keyring, repository_id: int, number: int) -> TaskRecord | None:
    """Return the record in a comment's last marker; None if there is no marker. Raises BadMarker."""
    found = _MARKER.findall(body.replace("\r\n", "\n"))
    if not found:
        return None
    version, identity, mac, text = found[-1]
    if version != str(FORMAT):
        raise BadMarker(f"the marker has format {version}, this Orch reads {FORMAT}")
    key = keyring.known.get(identity)
    if key is None:
        raise BadMarker(f"the marker is signed with key {identity}, which this Orch does not have")
    if not hmac.compare_digest(_digest(key, repository_id, number, text), mac):
        raise BadMarker("the marker's signature does not match: the comment was changed, or copied from elsewhere")
    try:
        return TaskRecord.model_validate_json(text)
    except ValidationError as error:
        raise BadMarker(f"the marker's record cannot be read: {error.error_count()} fields do not fit") from error


def _mac(key: bytes, task: TaskRef, text: str) -> str:
    return _digest(key, task.repository.id, task.number, text)


def _digest(key: bytes, repository_id: int, number: int, text: str) -> str:
    signed = f"{FORMAT}:{repository_id}:{number}:{text}".encode(errors="surrogatepass")
    return hmac.new(key, signed, sha256).hexdigest()


def _escape(text: str) -> str:
    """Escape what could end an HTML comment or open a tag; the result is still the same JSON."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("--", "-\\u002d")
