"""Answers that are remembered, so that asking again costs no quota where nothing has changed."""

import json
import zlib
from collections.abc import Iterator, MutableMapping
from typing import Any

from cachetools import LRUCache

MOST = 2048
"""A look at a task in review asks for 7 answers; one is 1 to 4 KB here, most of them much longer as they come."""

Answer = tuple[str | None, str | None, Any, str | None]
"""ETag, last modification, what was answered, and the next page: as gidgethub has it."""


class Remembered(MutableMapping[str, Answer]):
    """The answers by their URLs, packed; those that were not asked for longest are forgotten."""

    def __init__(self, most: int = MOST) -> None:
        self._packed: LRUCache[str, bytes] = LRUCache(most)

    def __getitem__(self, url: str) -> Answer:
        etag, modified, said, following = json.loads(zlib.decompress(self._packed[url]))
        return etag, modified, said, following

    def __setitem__(self, url: str, answer: Answer) -> None:
        self._packed[url] = zlib.compress(json.dumps(answer).encode(), 1)

    def __delitem__(self, url: str) -> None:
        del self._packed[url]

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)
