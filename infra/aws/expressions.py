"""Expressions of DynamoDB, with the names and values that they speak of."""

import re
from typing import Any

Arguments = dict[str, Any]

_WORD = re.compile(r"[#:]\w+")


def number(value: float) -> dict[str, str]:
    """Return a number as DynamoDB wants it."""
    return {"N": repr(value)}


def spelled(values: Arguments, **expressions: str) -> Arguments:
    """Return the arguments for expressions in which `#name` stands for an attribute; many a plain name is reserved.

    Of the values, which begin with a colon, those are taken that an expression speaks of: DynamoDB refuses others.
    """
    words = sorted(set(_WORD.findall(" ".join(expressions.values()))))
    names = {word: word[1:] for word in words if word[0] == "#"}
    used = {word: values[word] for word in words if word[0] == ":"}
    return {
        **expressions,
        **({"ExpressionAttributeNames": names} if names else {}),
        **({"ExpressionAttributeValues": used} if used else {}),
    }
