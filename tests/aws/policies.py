"""What the template's roles may do, and what of it is done."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tests.aws.recorder import Call
from tests.aws.template import Template


@dataclass(frozen=True, slots=True, order=True)
class Allowed:
    """What a statement allows. `resource` names parts by their names in the template; `prefixes` are of a listing."""

    role: str
    action: str
    resource: str
    prefixes: tuple[str, ...] = ()

    def covers(self, call: Call) -> bool:
        """Say whether it lets a call through, whose resource is named in the same way."""
        listed = not self.prefixes or any(fnmatchcase(call.prefix, prefix) for prefix in self.prefixes)
        action = f"{call.service}:{call.operation}"
        return (self.role, self.action) == (call.role, action) and listed and fnmatchcase(call.resource, self.resource)


def allowed(template: Template, roles: Mapping[str, str]) -> set[Allowed]:
    """Return all that the roles may do; `roles` are their names in the template, and those that calls know them by."""
    found = set[Allowed]()
    for name, role in roles.items():
        for policy in template["Resources"][name]["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                found |= set(_spread(role, statement))
    return found


def _spread(role: str, statement: Mapping[str, Any]) -> Iterator[Allowed]:
    """Take the branch of a condition that counts by default."""
    if "Fn::If" in statement:
        statement = statement["Fn::If"][1]
    assert statement["Effect"] == "Allow"
    prefixes = statement.get("Condition", {}).get("StringLikeIfExists", {}).get("s3:prefix", [])
    for action in _several(statement["Action"]):
        for resource in _several(statement["Resource"]):
            yield Allowed(role, action, _named(resource), tuple(_several(prefixes)))


def _several(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def _named(resource: Any) -> str:
    """Name a resource: `Part`, `Part/key*` or, of an ARN that is put together, its end."""
    match resource:
        case {"Fn::GetAtt": [part, "Arn"]} | {"Ref": part}:
            return str(part)
        case {"Fn::Sub": str(text)} if text.startswith("${Bucket.Arn}"):
            return text.replace("${Bucket.Arn}", "Bucket")
        case {"Fn::Sub": str(text)}:
            return text.rpartition("${AWS::AccountId}:")[2].replace("${AWS::StackName}-", "")
        case str():
            return resource
        case _:
            raise AssertionError(resource)


def missing(calls: Iterable[Call], policies: Collection[Allowed]) -> set[Call]:
    """Return the calls that no policy lets through."""
    return {call for call in calls if not any(each.covers(call) for each in policies)}


def unused(calls: Collection[Call], policies: Iterable[Allowed]) -> set[Allowed]:
    """Return what is allowed and was not done."""
    return {each for each in policies if not any(each.covers(call) for call in calls)}
