"""What every store does with a commit before it writes it."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

MAX_KEYS = 100


def check_commit(
    puts: Collection[str], deletes: Collection[str], expected: Iterable[str], expires: Iterable[str]
) -> None:
    """Raise ValueError for a commit that no store takes."""
    if both := set(puts) & set(deletes):
        raise ValueError(f"Both put and deleted: {sorted(both)}")
    if strays := set(expires) - set(puts):
        raise ValueError(f"Expires without being put: {sorted(strays)}")
    if len({*puts, *deletes, *expected}) > MAX_KEYS:
        raise ValueError(f"More than {MAX_KEYS} keys in one commit.")


def dump_body(body: Mapping[str, Any]) -> str:
    """Return a document's body as JSON."""
    # ASCII, because text from GitHub may hold lone surrogates, which no UTF-8 column takes
    return json.dumps(dict(body), allow_nan=False, separators=(",", ":"))
