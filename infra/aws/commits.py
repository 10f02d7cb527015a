"""The changes of one commit as actions of DynamoDB, each with the condition under which it may be done."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from infra.aws.expressions import Arguments, number, spelled
from infra.aws.items import item_key

ALIVE = "(attribute_not_exists(#until) OR #until > :now)"
ABSENT = "(attribute_not_exists(#partition) OR #until <= :now)"
NOT_MINE = "(attribute_not_exists(#write) OR #write <> :write) AND (attribute_not_exists(#before) OR #before <> :write)"


class Action(NamedTuple):
    """What is done with one document; `has_condition` if not in any case."""

    kind: Literal["Update", "Delete", "ConditionCheck"]
    arguments: Arguments

    @property
    def has_condition(self) -> bool:
        return "ConditionExpression" in self.arguments


@dataclass(slots=True)
class Commit:
    """What is to be written. `begins` are keys put without an expected version whose document is not there, or over."""

    table: str
    partition: str
    bodies: Mapping[str, bytes]
    deletes: Collection[str]
    expected: Mapping[str, int]
    expires: Mapping[str, datetime]
    begins: set[str] = field(default_factory=set)

    def actions(self, now: float, write: str) -> dict[str, Action]:
        """Return what to do at a time, by key; `write` is the id of what is written so."""
        checks = self.expected.keys() - self.bodies.keys() - set(self.deletes)
        return {
            **{key: self._put(key, now, write) for key in self.bodies},
            **{key: self._delete(key, now) for key in self.deletes},
            **{key: Action("ConditionCheck", self._on(key, now, *_require(self.expected[key]))) for key in checks},
        }

    def _put(self, key: str, now: float, write: str) -> Action:
        expected = self.expected.get(key, 0 if key in self.begins else None)
        if expected is None:
            condition, required = f"{ALIVE} AND {NOT_MINE}", Arguments()
            version = "if_not_exists(#version, :zero) + :one"
        else:
            condition, required = _require(expected)
            version = ":next"
        update = (
            f"SET #version = {version}, #body = :body, #before = if_not_exists(#write, :write), #write = :write"
            + (", #until = :until, #expires = :expires" if key in self.expires else " REMOVE #until, #expires")
        )
        values = required | {
            ":zero": number(0),
            ":one": number(1),
            ":next": number((expected or 0) + 1),
            ":body": {"B": self.bodies[key]},
            ":write": {"S": write},
        }
        if key in self.expires:
            seconds = self.expires[key].timestamp()
            values |= {":until": number(seconds), ":expires": number(math.ceil(seconds))}
        return Action("Update", self._on(key, now, condition, values, UpdateExpression=update))

    def _delete(self, key: str, now: float) -> Action:
        if key not in self.expected:
            return Action("Delete", {"TableName": self.table, "Key": item_key(self.partition, key)})
        return Action("Delete", self._on(key, now, *_require(self.expected[key])))

    def _on(self, key: str, now: float, condition: str, values: Arguments, **expressions: str) -> Arguments:
        values = {**values, ":now": number(now)}
        spelt = spelled(values, ConditionExpression=condition, **expressions)
        return {"TableName": self.table, "Key": item_key(self.partition, key), **spelt}


def _require(version: int) -> tuple[str, Arguments]:
    """Return the condition that a document has a version, 0 for that there is none, and its values."""
    if version == 0:
        return ABSENT, {}
    return f"#version = :version AND {ALIVE}", {":version": number(version)}
