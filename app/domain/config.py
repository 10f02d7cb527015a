"""`.orch.yml`: what a repository asks for, over what the operator set; it can tighten limits, never loosen them."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from app.domain.absent import Absent, describe_absent
from app.domain.base import Value
from app.domain.config_keys import KEYS, WORDS, RepoConfig
from app.domain.people import are_same, name_people, narrow
from app.domain.policy import Policy
from app.domain.text import one_line

FILE = ".orch.yml"
SHOWN = 3
"""Problems named to people at once; the others show when these are mended."""
NOT_ISOLATED = "Agents are not isolated from the machine that they run on: the operator switched that off."
LIMITS = (
    *("max_attempts", "max_rounds", "max_parallel"),
    *("wall_seconds", "max_cost", "max_task_cost", "max_day_cost"),
)
ORDERS = ("profile", "outsiders", "autonomy")
PEOPLE = ("budget_approvers", "mergers")
OF_RUNS = {"max_cost": "cost", "wall_seconds": "wall_seconds"}
"""Keys whose value is one of a run's limits."""
Scalar = str | int | float | Decimal | tuple[str, ...] | None


class Problem(Value):
    """Something in the file that cannot be followed, for people. `line` counts from 1."""

    line: int | None = None
    key: str | None = None
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


class RepoFile(Value):
    """What Orch knows of a repository's `.orch.yml`: the last one that was good, and what is wrong with a newer one.

    `digest` is the SHA-256 of `text`, None if there is no file. `prefixes` are all branch prefixes it had. Read
    with it was what of the default branch is `absent` in a run, and whether only `signed` commits get onto that branch.
    """

    config: RepoConfig = RepoConfig()
    lines: Mapping[str, int] = {}
    text: str = ""
    digest: str | None = None
    problems: tuple[Problem, ...] = ()
    prefixes: tuple[str, ...] = ()
    absent: Absent = Absent()
    signed: bool = False


class Origin(StrEnum):
    """Which layer a value comes from, lowest first."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    ROUTER = "router"
    REPOSITORY = "repository"
    LABELS = "labels"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value in force and where it comes from; `note` says why it is not what a layer above asked for."""

    value: Scalar
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
    return Resolved(
        policy=apply_settings(policy, settings),
        settings=settings,
        remarks=(
            *_remarks(settings, file),
            *describe_absent(file.absent),
            *(() if policy.isolated else (NOT_ISOLATED,)),
        ),
        parallel=None if file.config.max_parallel is None else min(file.config.max_parallel, policy.max_parallel),
        prefixes=tuple(dict.fromkeys((policy.branch_prefix, *file.prefixes))),
    )


def apply_settings(policy: Policy, settings: Mapping[str, Setting]) -> Policy:
    """Return the policy with these values in it."""
    values: dict[str, Any] = {key: setting.value for key, setting in settings.items()}
    limits = {field: values.pop(key) for key, field in OF_RUNS.items()}
    chosen = values.pop("agent")
    others = (agent for agent in policy.agents if agent != chosen)
    agents = (chosen, *others) if policy.agents else ()
    return policy.model_copy(
        update={**values, "agents": agents, "limits": policy.limits.model_copy(update=limits)},
    )


def _setting(key: str, policy: Policy, file: RepoFile) -> Setting:
    below = operators(key, policy)
    asked = getattr(file.config, key)
    if asked is None:
        return below
    if (refused := _refused(key, asked, policy, file, below)) is None:
        return Setting(asked, Origin.REPOSITORY)
    note = f"{_at(key, file)}{refused}"
    if key in PEOPLE and not are_same(_people(below), both := narrow(_people(below), asked)):
        return Setting(both, Origin.REPOSITORY, note)
    return Setting(below.value, below.origin, note)


def operators(key: str, policy: Policy) -> Setting:
    """Return the operator's value for a key of the repository's file, or Orch's own."""
    name = "agents" if key == "agent" else key
    origin = Origin.FILE if name in policy.in_file else Origin.ENVIRONMENT
    return Setting(_operators(key, policy), origin if name in policy.stated else Origin.DEFAULT)


def _operators(key: str, policy: Policy) -> Scalar:
    if key == "agent":
        return next(iter(policy.agents), "")
    value: Scalar = getattr(policy.limits, OF_RUNS[key]) if key in OF_RUNS else getattr(policy, key)
    return value


def _refused(key: str, asked: Any, policy: Policy, file: RepoFile, below: Setting) -> str | None:
    """Say why the repository does not get what it asks for, None if it does."""
    if key == "agent" and asked not in policy.agents:
        return _refused_agent(asked, policy, below)
    if key == "model" and (agent := file.config.agent) and agent not in policy.agents:
        return f"`model` is for the agent `{one_line(agent, 50)}`, which does not work here; it is left out."
    if key in LIMITS and below.value is not None and asked > below.value:
        return f"`{key}` is {one_line(str(asked), 20)}, more than the operator allows; {below.value} is used."
    if key in ORDERS and _rank(key, asked) < _rank(key, below.value):
        return f"`{key}` is `{asked}`, looser than the operator allows; `{below.value}` is used."
    if key in PEOPLE and not are_same(asked, both := narrow(_people(below), asked)):
        return f"`{key}` names people whom the operator does not allow; those who count: {name_people(both)}."
    return None


def _rank(key: str, value: Scalar) -> int:
    return WORDS[key].index(str(value))


def _people(setting: Setting) -> tuple[str, ...]:
    return setting.value if isinstance(setting.value, tuple) else ()


def _refused_agent(asked: str, policy: Policy, below: Setting) -> str:
    allowed = ", ".join(f"`{agent}`" for agent in policy.agents)
    return f"agent `{one_line(asked, 50)}` is not one that the operator allows ({allowed}); `{below.value}` is used."


def _at(key: str, file: RepoFile) -> str:
    line = file.lines.get(key)
    return f"`{FILE}` line {line}: " if line else f"`{FILE}`: "


def _remarks(settings: Mapping[str, Setting], file: RepoFile) -> tuple[str, ...]:
    """Say each thing once: a value that is a problem of the newest file is not remarked on again."""
    named = {problem.key for problem in file.problems}
    notes = tuple(setting.note for key, setting in settings.items() if setting.note and key not in named)
    return (*describe_problems(file), *notes)


def describe_problems(file: RepoFile, most: int = SHOWN) -> tuple[str, ...]:
    """Say for people what is wrong with the file, at most so many things at once, and what is in force meanwhile."""
    if not file.problems:
        return ()
    kept = "what it said before" if file.digest else "what the operator set"
    until = f"Until that is mended, {kept} stays in force."
    if len(file.problems) == 1:
        text = str(file.problems[0])
        return (f"`{FILE}` {text}{'' if text.endswith('?') else '.'} {until}",)
    more = len(file.problems) - most
    lines = [f"* {problem}" for problem in file.problems[:most]] + ([f"* and {more} more"] if more > 0 else [])
    return ("\n".join([f"`{FILE}`:", *lines, "", until]),)
