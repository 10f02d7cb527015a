"""What a key of artifacts looks like."""

import re

NAME = re.compile(r"[A-Za-z0-9._-]+")


def names_of(key: str) -> list[str]:
    """Split a key into its names; raises ValueError for one that is none."""
    names = key.split("/")
    if not all(NAME.fullmatch(name) and name not in {".", ".."} for name in names):
        raise ValueError(f"Not an artifact key: {key!r}")
    return names
