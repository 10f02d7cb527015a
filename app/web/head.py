"""What must be known of a payload before it is taken: read without making Python objects of all the rest."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, GetCoreSchemaHandler, StrictInt, StrictStr, ValidationError
from pydantic_core import CoreSchema, core_schema


class _OrNone:
    """Take what is not as expected for not there: what a payload means is decided later, by its reader."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_default_schema(handler(source), default=None, on_error="default")


Number = Annotated[StrictInt | None, _OrNone()]
Text = Annotated[StrictStr | None, _OrNone()]


# Of a link GitHub tells both ends, each in the name of the issue's own repository.
OWN_END = {
    "sub_issue_added": "parent_issue",
    "sub_issue_removed": "parent_issue",
    "parent_issue_added": "sub_issue",
    "parent_issue_removed": "sub_issue",
    "blocked_by_added": "blocked_issue",
    "blocked_by_removed": "blocked_issue",
    "blocking_added": "blocking_issue",
    "blocking_removed": "blocking_issue",
}


class Thing(BaseModel):
    """A repository, issue, pull request or installation."""

    id: Number = None
    number: Number = None
    full_name: Text = None


class Head(BaseModel):
    """The part of a payload that says what it is about."""

    action: Text = None
    repository: Annotated[Thing | None, _OrNone()] = None
    issue: Annotated[Thing | None, _OrNone()] = None
    pull_request: Annotated[Thing | None, _OrNone()] = None
    parent_issue: Annotated[Thing | None, _OrNone()] = None
    sub_issue: Annotated[Thing | None, _OrNone()] = None
    blocked_issue: Annotated[Thing | None, _OrNone()] = None
    blocking_issue: Annotated[Thing | None, _OrNone()] = None
    installation: Annotated[Thing | None, _OrNone()] = None

    @property
    def task(self) -> Thing | None:
        """Return the issue in whose name it was sent."""
        end: Thing | None = getattr(self, OWN_END.get(self.action or "", "issue"))
        return end


def read_head(body: bytes) -> Head | None:
    """Read the head of a payload; None if the body is no JSON object."""
    try:
        return Head.model_validate_json(body)
    except ValidationError:
        pass
    try:  # json takes what the quicker parser does not: lone surrogates, which people's text may hold
        return Head.model_validate(json.loads(body))
    except (ValueError, RecursionError):
        return None
