"""`.orch.yml`: what a repository asks for, over what the operator set; it can tighten limits, never loosen them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field, field_validator

from app.domain.base import Value
from app.domain.policy import Policy
from app.domain.text import one_line

FILE = ".orch.yml"
SHOWN = 3
"""Problems named to people at once; the others show when these are mended."""
NOT_ISOLATED = "Agents are not isolated from the machine that they run on: the operator switched that off."
LIMITS = ("max_attempts", "max_parallel")
_ORCHS_OWN = re.compile(r"(status|agent|complexity|role|priority):.*|plan|no-review", re.IGNORECASE)


class RepoConfig(Value):
    """The keys of `.orch.yml`; one that is not there is None."""

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
    branch_prefix: str | None = Field(
        default=None,
        max_length=60,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*)*$",
        description="The first part of the branches that Orch makes, instead of the operator's.",
    )
    max_attempts: int | None = Field(
        default=None, ge=1, description="How often a task is tried; at most as often as the operator allows."
    )
    max_parallel: int | None = Field(
        default=None, ge=1, description="How many runs this repository has at once; at most as many as the operator's."
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


class Problem(Value):
    """Something in the file that cannot be followed, for people. `line` counts from 1."""

    line: int | None = None
    key: str | None = None
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


class RepoFile(Value):
    """What Orch knows of a repository's `.orch.yml`: the last one that was good, and what is wrong with a newer one.

    `digest` is the SHA-256 of `text`, None if there is no file. `prefixes` are all branch prefixes it had.
    """

    config: RepoConfig = RepoConfig()
    lines: Mapping[str, int] = {}
    text: str = ""
    digest: str | None = None
    problems: tuple[Problem, ...] = ()
    prefixes: tuple[str, ...] = ()


class Origin(StrEnum):
    """Which layer a value comes from, lowest first."""

    DEFAULT = "default"
    OPERATOR = "operator"
    REPOSITORY = "repository"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value in force and where it comes from; `note` says why it is not what the repository asked for."""

    value: str | int
    origin: Origin
    note: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """All layers, merged.

    `policy` is the operator's, tightened. `remarks` are for people. `parallel` is the repository's own limit on runs
    at once, None if it set none. `prefixes` are those by which a branch of Orch's may be known.
    """

    policy: Policy
    settings: Mapping[str, Setting]
    remarks: tuple[str, ...]
    parallel: int | None
    prefixes: tuple[str, ...]


def resolve(policy: Policy, file: RepoFile) -> Resolved:
    """Merge defaults, operator and repository, each value with its origin."""
    settings = {key: _setting(key, policy, file) for key in KEYS}
    values: dict[str, object] = {key: setting.value for key, setting in settings.items()}
    chosen = values.pop("agent")
    others = tuple(agent for agent in policy.agents if agent != chosen)
    agents = (str(chosen), *others) if policy.agents else ()
    return Resolved(
        policy=policy.model_copy(update={**values, "agents": agents}),
        settings=settings,
        remarks=(*_remarks(settings, file), *(() if policy.isolated else (NOT_ISOLATED,))),
        parallel=None if file.config.max_parallel is None else min(file.config.max_parallel, policy.max_parallel),
        prefixes=tuple(dict.fromkeys((policy.branch_prefix, *file.prefixes))),
    )


def _setting(key: str, policy: Policy, file: RepoFile) -> Setting:
    below = _operators(key, policy)
    asked = getattr(file.config, key)
    if asked is None:
        return below
    if key == "agent" and asked not in policy.agents:
        return Setting(below.value, below.origin, _refused_agent(str(asked), policy, below, file))
    if key in LIMITS and asked > below.value:
        more = f"{_at(key, file)}`{key}` is {one_line(str(asked), 20)}, more than the operator allows; "
        return Setting(below.value, below.origin, f"{more}{below.value} is used.")
    return Setting(asked, Origin.REPOSITORY)


def _operators(key: str, policy: Policy) -> Setting:
    field = "agents" if key == "agent" else key
    value = next(iter(policy.agents), "") if key == "agent" else getattr(policy, key)
    return Setting(value, Origin.OPERATOR if field in policy.stated else Origin.DEFAULT)


def _refused_agent(asked: str, policy: Policy, below: Setting, file: RepoFile) -> str:
    allowed = ", ".join(f"`{agent}`" for agent in policy.agents)
    return (
        f"{_at('agent', file)}agent `{one_line(asked, 50)}` is not one that the operator allows ({allowed}); "
        f"`{below.value}` is used."
    )


def _at(key: str, file: RepoFile) -> str:
    line = file.lines.get(key)
    return f"`{FILE}` line {line}: " if line else f"`{FILE}`: "


def _remarks(settings: Mapping[str, Setting], file: RepoFile) -> tuple[str, ...]:
    """Say each thing once: a value that is a problem of the newest file is not remarked on again."""
    named = {problem.key for problem in file.problems}
    notes = tuple(setting.note for key, setting in settings.items() if setting.note and key not in named)
    return (*_told(file), *notes)


def _told(file: RepoFile) -> tuple[str, ...]:
    if not file.problems:
        return ()
    kept = "what it said before" if file.digest else "what the operator set"
    until = f"Until that is mended, {kept} stays in force."
    if len(file.problems) == 1:
        text = str(file.problems[0])
        return (f"`{FILE}` {text}{'' if text.endswith('?') else '.'} {until}",)
    more = len(file.problems) - SHOWN
    lines = [f"* {problem}" for problem in file.problems[:SHOWN]] + ([f"* and {more} more"] if more > 0 else [])
    return ("\n".join([f"`{FILE}`:", *lines, "", until]),)
