"""The JSON Schemas that agents are shown, and what is wrong with an answer by them, in words that say what to do."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from app.domain.text import spell

SHOWN = 60
"""Characters of an answer that are repeated."""
_KINDS = {
    "string_type": "text",
    "string_unicode": "text without halves of characters",
    "tuple_type": "a list",
    "bool_type": "true or false",
    "model_type": "an object",
}


def schema_of(kind: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of a model without what it says of our classes."""
    plain: dict[str, Any] = _plain(kind.model_json_schema())
    return plain


def describe_errors(errors: Sequence[Mapping[str, Any]]) -> list[str]:
    """Word what pydantic found, a line each; what it quotes is raw, and spelled out."""
    places = [error["loc"] for error in errors]
    return [_describe(error) for error in errors if error["type"] != "too_short" or not _has_within(places, error)]


def show(text: str) -> str:
    """Return the beginning of raw text, spelled out."""
    return f"`{spell(text[:SHOWN])}`"


def _has_within(places: Sequence[tuple[Any, ...]], error: Mapping[str, Any]) -> bool:
    """Say whether a list only seems too short, as pydantic does not count entries that are wrong."""
    at = error["loc"]
    return any(len(place) > len(at) and place[: len(at)] == at for place in places)


def _describe(error: Mapping[str, Any]) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    limits = error.get("ctx") or {}
    match error["type"]:
        case "missing":
            says = "is missing; add it."
        case "extra_forbidden":
            where, says = spell(where)[: 2 * SHOWN], "is no key that the schema has; leave it out."
        case "string_too_long":
            says = f"is too long; at most {limits['max_length']} characters fit."
        case "too_long":
            says = f"is too long; at most {limits['max_length']} entries fit."
        case "string_too_short" | "too_short":
            says = "is empty; fill it in."
        case "string_pattern_mismatch":
            says = f"{show(error['input'])} must be one short word of letters, digits, `-` and `_`."
        case "enum":
            says = f"must be {limits['expected']}, or left out."
        case other:
            says = f"must be {_KINDS.get(other, 'as the schema says')}."
    return f"{where or 'the answer'}: {says}"


def _plain(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    ours = {"title"} | ({"description"} if "properties" in schema or "enum" in schema else set())
    return {
        name: {each: _plain(item) for each, item in value.items()} if name in ("properties", "$defs") else _plain(value)
        for name, value in schema.items()
        if name not in ours
    }
