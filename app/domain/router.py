"""The operator's router: by what it is decided which agent works where no person, label or repository says so."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import SchemaError, SchemaValidator, core_schema

from app.domain.base import Value
from app.domain.complexity import Complexity

ORCH_FILE = ".orch.yml"
LONGEST_PATTERN = 200
LONGEST_MATCHED = 300
"""Characters of a title, a label or a path that a rule looks at."""
MOST_RULES = 100
MOST_ROLES = 20
MOST_MATCHED = 200
"""Labels, and paths, that a rule looks at."""


class Mode(StrEnum):
    """How the router chooses: the first agent, each in turn, by rules, or by what a model says."""

    FIXED = "fixed"
    ROUND_ROBIN = "round_robin"
    RULES = "rules"
    LLM = "llm"


@lru_cache(maxsize=2 * MOST_RULES)
def _compiled(pattern: str) -> SchemaValidator:
    """Compile with an engine whose time grows with the text alone: titles are a stranger's, and Python's may hang."""
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


def _compiles(pattern: str) -> str:
    try:
        _compiled(pattern)
    except SchemaError as error:
        said = str(error).splitlines()[-1].removeprefix("error: ").strip()
        raise ValueError(f"is no regular expression that can be used here: {said}") from None
    return pattern


Pattern = Annotated[str, Field(min_length=1, max_length=LONGEST_PATTERN), AfterValidator(_compiles)]
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+\[\]-]*$", max_length=100)]
RoleName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=40)]
Sentences = Annotated[str, Field(min_length=1, max_length=2000)]


def matches(pattern: str, texts: Sequence[str]) -> bool:
    """Say whether the expression is found in one of the texts; what is longer than it may be is cut off before."""
    compiled = _compiled(pattern)
    return any(compiled.isinstance_python(text[:LONGEST_MATCHED]) for text in texts[:MOST_MATCHED])


class _Late(Value):
    """What checks it is built when it is first wanted: most who run Orch set up no router."""

    model_config = ConfigDict(defer_build=True)


class Rule(_Late):
    """If all expressions that it has are found (a rule with none matches everything), what it says is chosen."""

    label: Pattern | None = None
    title: Pattern | None = None
    path: Pattern | None = None
    agent: str | None = None
    model: ModelName | None = None
    complexity: Complexity | None = None
    role: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Rule":
        if not (self.agent or self.model or self.complexity or self.role):
            raise ValueError("chooses nothing: give it `agent`, `model`, `complexity` or `role`")
        return self

    def applies(self, title: str, labels: Sequence[str], paths: Sequence[str]) -> bool:
        """Say whether a task with these is meant."""
        asked = ((self.label, labels), (self.title, (title,)), (self.path, paths))
        return all(matches(pattern, texts) for pattern, texts in asked if pattern is not None)


class Classifier(_Late):
    """The model that is asked in the mode `llm`.

    `key` is the name of the variable that holds its provider's key, `base_url` the provider's address, None for the
    provider's own; after so many `seconds` its answer is not waited for.
    """

    wire: Literal["anthropic", "openai-chat"]
    model: ModelName
    key: str = Field(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")
    base_url: str | None = Field(default=None, pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")
    seconds: float = Field(default=15, gt=0, le=60, allow_inf_nan=False)


class RouterPolicy(_Late):
    """How agents are chosen.

    `model_map` has models by `agent/complexity`, `agent` or `complexity`, `roles` the sentences that an agent with that
    role is told, `about` what the model that chooses is told of the agents.
    """

    mode: Mode = Mode.FIXED
    rules: tuple[Rule, ...] = Field(default=(), max_length=MOST_RULES)
    model_map: Mapping[str, ModelName] = {}
    roles: Mapping[RoleName, Sentences] = Field(default={}, max_length=MOST_ROLES)
    about: Mapping[str, Sentences] = {}
    llm: Classifier | None = None

    def model_of(self, agent: str, complexity: Complexity | None) -> str | None:
        """Return the model for an agent at tasks of a complexity: what says most of both counts, then the agent's."""
        keys = ([f"{agent}/{complexity}"] if complexity else []) + [agent] + ([complexity.value] if complexity else [])
        return next((self.model_map[key] for key in keys if key in self.model_map), None)

    def __str__(self) -> str:
        return self.mode.value


NO_ROUTER = RouterPolicy.model_construct()


def describe_router(router: RouterPolicy) -> str:
    """Say for the operator what the router does where nobody names an agent."""
    match router.mode:
        case Mode.FIXED:
            said = "the first agent works"
        case Mode.ROUND_ROBIN:
            said = "the agents work in turn"
        case Mode.RULES:
            said = f"the first of {len(router.rules)} rules that matches chooses, else the first agent works"
        case _:
            model = router.llm.model if router.llm else "no model"
            said = f"{model} is asked about each new task; without an answer the agents work in turn"
    maps = [f"{len(router.model_map)} models by agent or complexity"] if router.model_map else []
    roles = [f"roles: {', '.join(router.roles)}"] if router.roles else []
    return "; ".join([f"where no command, label or {ORCH_FILE} names an agent, {said}", *maps, *roles])


def read_router(value: object) -> RouterPolicy:
    """Read the router's settings, or the mode alone; raises ValueError that names the place of each problem."""
    if isinstance(value, RouterPolicy):
        return value
    given = {"mode": value} if isinstance(value, str) else {} if value is None else value
    try:
        return RouterPolicy.model_validate(given)
    except ValidationError as error:
        problems = [_problem(item) for item in error.errors(include_input=False, include_url=False)]
        raise ValueError("; ".join(problems)) from None


def _problem(item: Any) -> str:
    text = str(item["msg"]).removeprefix("Value error, ")
    where = _place(item["loc"])
    return f"{where}: {text}" if where else text


def _place(loc: Sequence[str | int]) -> str:
    """Name a place as people count: `rule 2, title`."""
    parts = [str(part) for part in loc]
    if parts[:1] == ["rules"] and len(parts) > 1:
        parts = [f"rule {int(parts[1]) + 1}" if parts[1].isdigit() else "rules", *parts[2:]]
    return ", ".join(parts)


def misfits(router: RouterPolicy, agents: Sequence[str]) -> Iterator[str]:
    """Say what in the router names an agent or a role that there is none of, or lacks what its mode needs."""
    no_agent = f"is none of the agents that may run ({', '.join(agents)})"
    no_role = f"is none of `roles` ({', '.join(router.roles) or 'there are none'})"
    for number, rule in enumerate(router.rules, 1):
        if rule.agent is not None and rule.agent not in agents:
            yield f"rule {number}, agent: `{rule.agent}` {no_agent}"
        if rule.role is not None and rule.role not in router.roles:
            yield f"rule {number}, role: `{rule.role}` {no_role}"
    keys = {*agents, *Complexity, *(f"{agent}/{one}" for agent in agents for one in Complexity)}
    for key in router.model_map:
        if key not in keys:
            yield f"model_map, {key}: must be `AGENT/COMPLEXITY`, `AGENT` or `COMPLEXITY`, with an agent that may run"
    for name in router.about:
        if name not in agents:
            yield f"about, {name}: {no_agent}"
    if router.mode is Mode.RULES and not router.rules:
        yield "mode `rules` needs `rules`"
    if router.mode is Mode.LLM and router.llm is None:
        yield "mode `llm` needs `llm` with `wire`, `model` and `key`"
