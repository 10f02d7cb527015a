"""Read the JSON that an agent prints, whatever it prints: what is not as expected counts as not there."""

import json
from decimal import Decimal
from typing import Any


def read_object(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a line holds, without lone surrogates, or None if it holds none."""
    try:
        said = json.loads(line.decode("utf-8", "replace"))
        if b"\\ud" in line or b"\\uD" in line:  # half a character, which nobody could write down
            said = json.loads(json.dumps(said, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def write_object(said: dict[str, Any]) -> bytes:
    """Return the line that holds an object."""
    return json.dumps(said).encode() + b"\n"


def mapping(value: object) -> dict[str, Any]:
    """Return an object, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def mappings(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a string, an empty one for anything else."""
    return value if isinstance(value, str) else ""


def count(value: object) -> int | None:
    """Return a number of things."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def number(value: object) -> float | None:
    """Return a finite number that is not negative."""
    found = amount(value)
    return None if found is None else float(found)


def amount(value: object) -> Decimal | None:
    """Return a number as it was meant, None if it is not finite or below zero.

    Agents add up prices in binary fractions, so that nine digits behind the point are what is left of them.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        return None
    return Decimal(f"{value:.9f}".rstrip("0"))
