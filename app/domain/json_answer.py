"""The JSON object that an agent ends its answer with, between whatever else it says."""

import json
from typing import Any

_DECODER = json.JSONDecoder(strict=False, parse_int=float)
"""Takes line breaks in texts as they are, as models write them, and any number of digits."""


class NoAnswer(Exception):
    """There is no such object; the text says what to do."""


def read_object(text: str, key: str) -> dict[str, Any]:
    """Return the last object in the text that has the key, or else the last one; it may stand in a fence.

    Raises NoAnswer, also if an object that comes later cannot be read: it may have been meant to replace the others.
    """
    found: dict[str, Any] | None = None
    other: dict[str, Any] | None = None
    broken: str | None = None
    at = text.find("{")
    while at >= 0:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except json.JSONDecodeError as error:
            if _begins_object(text, at):
                broken = _say(error, text, at)
            end = max(error.pos, at + 1)
        except RecursionError:
            raise NoAnswer("the JSON object is nested too deeply; follow the schema.") from None
        else:
            if key in value:
                found, broken = value, None
            elif broken is None:  # else it is a part of what cannot be read
                other = value
        at = text.find("{", end)
    if broken is not None or (answer := found or other) is None:
        raise NoAnswer(broken or "there is no JSON object in the answer; end it with one that follows the schema.")
    return answer


def _begins_object(text: str, at: int) -> bool:
    return text[at + 1 : at + 200].lstrip()[:1] == '"'


def _say(error: json.JSONDecodeError, text: str, at: int) -> str:
    """Say where in the object it breaks off."""
    line = text.count("\n", at, error.pos) + 1
    near = " ".join(text[max(error.pos - 30, at) : error.pos + 10].split())
    return f"the JSON object cannot be read: {error.msg} in its line {line}, near `{near}`; write it anew, whole."
