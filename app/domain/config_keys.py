"""The keys of `.orch.yml`: what each may say, and what it means."""

import re
from decimal import Decimal
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from app.domain.base import Value

Profile = Literal["trusted", "headless-permissive", "headless-safe", "plan-readonly"]
Outsiders = Literal["quote", "omit"]
Autonomy = Literal["full", "checkpoint", "manual"]
MergeMethod = Literal["squash", "merge", "rebase"]
WORDS: dict[str, tuple[str, ...]] = {
    "profile": get_args(Profile),
    "outsiders": get_args(Outsiders),
    "autonomy": get_args(Autonomy),
    "merge_method": get_args(MergeMethod),
}
"""What the keys may say that have a few words to choose from, from the loosest to the strictest."""
PERSON = r"^(write|maintain|admin|@[A-Za-z0-9][A-Za-z0-9_-]{0,99})$"
"""One who may approve: somebody with a role, or with a login."""
_ORCHS_OWN = re.compile(r"(status|agent|complexity|role|priority):.*|plan|no-review", re.IGNORECASE)


def _decimal(value: object) -> object:
    """Take numbers as YAML has them; a truth value is none."""
    return Decimal(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Dollars = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    Field(gt=0, allow_inf_nan=False),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
]
People = Annotated[
    tuple[Annotated[str, Field(pattern=PERSON)], ...],
    BeforeValidator(_tuple),
    Field(min_length=1, max_length=50),
]


class RepoConfig(Value):
    """What a repository asks for; a key that is not there is None."""

    trigger: str | None = Field(
        default=None,
        min_length=1,
        max_length=50,
        pattern=r"^[^\s,]([^,\t\r\n]*[^\s,])?$",
        description="The label that starts a task, instead of the operator's.",
    )
    agent: str | None = Field(
        default=None,
        min_length=1,
        max_length=50,
        description="The agent that works unless an issue names another; one of those that the operator allows.",
    )
    model: str | None = Field(
        default=None,
        max_length=100,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+\[\]-]*$",
        description="The model that this agent works with, by the name that the agent knows it by.",
    )
    branch_prefix: str | None = Field(
        default=None,
        max_length=60,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*)*$",
        description="The first part of the branches that Orch makes, instead of the operator's.",
    )
    profile: Profile | None = Field(
        default=None,
        description="Rules on agents' tool calls: `trusted`, `headless-permissive`, `headless-safe` or `plan-readonly`;"
        " each is stricter than the one before, and none may be looser than the operator's.",
    )
    max_attempts: int | None = Field(
        default=None, ge=1, description="How often a task is tried; at most as often as the operator allows."
    )
    max_rounds: int | None = Field(
        default=None,
        ge=0,
        description="How often what was delivered is reworked; at most as often as the operator allows.",
    )
    max_parallel: int | None = Field(
        default=None, ge=1, description="How many runs this repository has at once; at most as many as the operator's."
    )
    wall_seconds: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="How long a run may take, in seconds; at most the operator's.",
    )
    max_cost: Dollars | None = Field(default=None, description="US dollars of one run; at most the operator's.")
    max_task_cost: Dollars | None = Field(default=None, description="US dollars of one task; at most the operator's.")
    max_day_cost: Dollars | None = Field(
        default=None, description="US dollars of this repository in a day; at most the operator's."
    )
    outsiders: Outsiders | None = Field(
        default=None,
        description="What agents get of comments by people without write access: `quote` marks them as no instructions,"
        " `omit` leaves them out and is the stricter.",
    )
    autonomy: Autonomy | None = Field(
        default=None,
        description="What waits for a person: with `full` nothing, with `checkpoint` plans, with `manual` plans and"
        " each sub-issue; each is stricter than the one before, and none may be looser than the operator's.",
    )
    merge_method: MergeMethod | None = Field(
        default=None, description="How Orch merges when it is told to: `squash`, `merge` or `rebase`."
    )
    budget_approvers: People | None = Field(
        default=None,
        description="Who may approve spending beyond a limit: `write`, `maintain`, `admin`, or logins such as"
        ' `"@octocat"`; of those, only whom the operator allows too.',
    )
    mergers: People | None = Field(
        default=None,
        description="Who may have Orch merge, in the same words; of those, only whom the operator allows too.",
    )

    @field_validator("trigger")
    @classmethod
    def _leave_orchs_own(cls, trigger: str | None) -> str | None:
        if trigger and _ORCHS_OWN.fullmatch(trigger):
            raise ValueError("the label has a meaning of its own")
        return trigger

    @field_validator("branch_prefix")
    @classmethod
    def _no_ref(cls, prefix: str | None) -> str | None:
        if prefix and prefix.lower().split("/")[0] == "refs":
            raise ValueError("GitHub takes no branch that begins like a ref")
        return prefix


KEYS = tuple(RepoConfig.model_fields)
