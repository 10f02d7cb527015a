"""The paths that a delivery changed, as few and as short as what stores and locks take."""

import os
from collections.abc import Iterable

MOST = 200
LONGEST = 300
"""Characters of a path."""


def touched(paths: Iterable[str]) -> tuple[str, ...]:
    """Return at most `MOST` paths that cover all that are given: where they are too many or too long, directories."""
    found = {_short(os.fsencode(path).decode(errors="replace")) for path in paths}
    depth = max((path.count("/") for path in found), default=0)
    while len(found) > MOST and depth > 0:
        found, depth = {_cut(path, depth) for path in found}, depth - 1
    return tuple(sorted(found)[:MOST])


def _short(path: str) -> str:
    while len(path) > LONGEST and "/" in path:
        path = path.rpartition("/")[0]
    return path[:LONGEST]


def _cut(path: str, depth: int) -> str:
    return path if path.count("/") < depth else path.rpartition("/")[0]
