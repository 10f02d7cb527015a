"""Artifacts in a bucket of S3."""

import asyncio
from dataclasses import dataclass
from secrets import token_hex
from weakref import WeakValueDictionary

from app.domain.errors import Retryable
from infra.aws.clients import Clients
from infra.aws.objects import Objects
from infra.keys import names_of

PART = 256 << 10
"""Bytes that a part may grow to. The more, the fewer parts to read, and the more is sent again with each append."""
GROWING = 32
"""Parts that are kept in memory because they may still grow."""
TRIES = 5
GENERATION = "generation"
NEVER_WRITTEN = "0"


@dataclass(frozen=True, slots=True)
class _Part:
    """The last part of a blob as it is in the bucket; written by this process, for it only knows its own."""

    generation: str
    number: int
    name: str
    data: bytes

    def takes(self, generation: str, more: bytes) -> bool:
        return self.generation == generation and len(self.data) + len(more) <= PART


class S3Artifacts:
    """Implement `app.ports.Artifacts` under a prefix, which ends with a slash or is empty.

    S3 cannot append. So a blob is the object of its key, as `write` left it, and the parts `<key>!<generation>!...`
    that were appended since; a part grows while it is small. The object says which generation of parts is its own: a
    reader sees all of what was written or nothing of it, and all older parts are gone with it at once, though they are
    deleted only then. It is for one writer at a time of a key; parts of two are in the order in which they were begun.
    """

    def __init__(self, clients: Clients, bucket: str, prefix: str = "") -> None:
        self._objects = Objects(clients, bucket)
        self._prefix = prefix
        self._growing = dict[str, _Part]()
        self._turns = WeakValueDictionary[str, asyncio.Lock]()

    async def write(self, key: str, data: bytes) -> None:
        """Write all of it or nothing."""
        name = self._name(key)
        async with self._turn(name):
            self._growing.pop(name, None)
            generation = token_hex(8)
            await self._objects.put(name, data, Metadata={GENERATION: generation})
            for part in await self._objects.keys(f"{name}!"):
                if not part.startswith(f"{name}!{generation}!"):
                    await self._objects.delete(part)

    async def append(self, key: str, data: bytes) -> None:
        """Add to the end, making the blob if it is missing. If this raises, whether it was added is unknown."""
        name = self._name(key)
        async with self._turn(name):
            written = await self._objects.metadata(name)
            generation = _generation(written)
            last = self._growing.pop(name, None)  # for good if this fails: then nobody knows what it holds
            if last is None or not last.takes(generation, data):
                last = await self._next(name, generation, last)
            part = _Part(generation, last.number, last.name, last.data + data)
            await self._objects.put(part.name, part.data)
            self._keep(name, part)

    async def read(self, key: str) -> bytes | None:
        name = self._name(key)
        for _ in range(TRIES):
            # The parts are listed first: none of them was deleted if the object has their generation after that.
            parts = await self._objects.keys(f"{name}!")
            found = await self._objects.read(name)
            written, said = found or (None, None)
            mine = [part for part in parts if part.startswith(f"{name}!{_generation(said)}!")]
            pieces = await asyncio.gather(*(self._objects.get(part) for part in mine))
            if None not in pieces:
                given = [piece for piece in (written, *pieces) if piece is not None]
                return b"".join(given) if given else None
        raise Retryable(f"{key} was written anew {TRIES} times while it was read")

    def _name(self, key: str) -> str:
        return self._prefix + "/".join(names_of(key))

    def _turn(self, name: str) -> asyncio.Lock:
        return self._turns.setdefault(name, asyncio.Lock())

    async def _next(self, name: str, generation: str, last: _Part | None) -> _Part:
        """Return an empty part after all that there are; nobody else gives one that name."""
        stem = f"{name}!{generation}!"
        if last is not None and last.generation == generation:
            number = last.number + 1
        else:
            there = await self._objects.keys(stem)
            number = int(there[-1].removeprefix(stem).partition("-")[0]) + 1 if there else 1
        return _Part(generation, number, f"{stem}{number:08}-{token_hex(4)}", b"")

    def _keep(self, name: str, part: _Part) -> None:
        self._growing[name] = part
        while len(self._growing) > GROWING:
            del self._growing[next(iter(self._growing))]


def _generation(said: dict[str, str] | None) -> str:
    return (said or {}).get(GENERATION, NEVER_WRITTEN)
