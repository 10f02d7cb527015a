"""Take a repository's `.orch.yml` strictly: each mistake with its line and, where there is one, a better word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256

from pydantic import ValidationError

from app.domain.absent import Absent
from app.domain.config import LIMITS, PEOPLE, Problem, RepoFile
from app.domain.config_keys import KEYS, WORDS, RepoConfig
from app.domain.people import ROLES
from app.domain.text import one_line

LATER = ("gates",)
"""Keys that have no meaning yet and are kept for one."""
MOST_PREFIXES = 20

_ROLES = ", ".join(f"`{role}`" for role in ROLES)
_PEOPLE = f'must be a list of {_ROLES} or logins in quotes, as in `[maintain, "@octocat"]`'
_RULES = {
    "trigger": "must be the name of one label: text of at most 50 characters without a comma, and none of Orch's own",
    "agent": "must be the name of an agent",
    "model": "must be the name of a model: letters, digits and `._:/@+-[]`, at most 100 of them",
    "branch_prefix": "must be the first part of a branch name: letters, digits, `-`, `_`, and `/` between them",
    "max_attempts": "must be a whole number of at least 1",
    "max_rounds": "must be a whole number of at least 0",
    "max_parallel": "must be a whole number of at least 1",
    "wall_seconds": "must be a number of seconds above 0",
    **dict.fromkeys(("max_cost", "max_task_cost", "max_day_cost"), "must be a number of US dollars above 0"),
    **{key: f"must be one of {', '.join(f'`{word}`' for word in words)}" for key, words in WORDS.items()},
    **dict.fromkeys(PEOPLE, _PEOPLE),
}


@dataclass(frozen=True, slots=True)
class Tree:
    """The keys of a file, with what they say and their lines."""

    values: Mapping[str, object]
    lines: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FoundFile:
    """The file as it is now: `text` is None if there is none; `tree` is a Problem if it cannot be read.

    `absent` and `signed` are as in RepoFile, None where GitHub did not say.
    """

    text: str | None
    tree: Tree | Problem
    absent: Absent | None = None
    signed: bool | None = None


def follow(known: RepoFile, found: FoundFile, agents: Sequence[str]) -> RepoFile:
    """Return what is known of the file after it was read: the last good one stays in force until a better comes."""
    known = _with_beside(known, found)
    if isinstance(found.tree, Problem):
        return known.model_copy(update={"problems": (found.tree,)})
    problems = check(found.tree, agents)
    if problems:
        return known.model_copy(update={"problems": problems})
    config = RepoConfig.model_validate(found.tree.values, strict=True)
    prefix = (config.branch_prefix,) if config.branch_prefix else ()
    return RepoFile(
        config=config,
        lines=found.tree.lines,
        text=found.text or "",
        digest=None if found.text is None else sha256(found.text.encode()).hexdigest(),
        prefixes=tuple(dict.fromkeys((*known.prefixes, *prefix)))[-MOST_PREFIXES:],
        absent=known.absent,
        signed=known.signed,
    )


def _with_beside(known: RepoFile, found: FoundFile) -> RepoFile:
    """Take over what was read beside the file."""
    read = {"absent": found.absent, "signed": found.signed}
    return known.model_copy(update={name: value for name, value in read.items() if value is not None})


def check(tree: Tree, agents: Sequence[str]) -> tuple[Problem, ...]:
    """List what is wrong, in the order of lines."""
    empty = {key: f"`{key}` has no value: give it one or take the line out" for key in KEYS if _is_empty(tree, key)}
    wrong = empty | _refused(tree) | _unknown_agent(tree, agents)
    problems = [Problem(line=tree.lines.get(key), key=key, text=text) for key, text in wrong.items()]
    return tuple(sorted(problems, key=lambda problem: problem.line or 0))


def _is_empty(tree: Tree, key: str) -> bool:
    return key in tree.values and tree.values[key] is None


def _refused(tree: Tree) -> dict[str, str]:
    try:
        RepoConfig.model_validate(tree.values, strict=True)
    except ValidationError as error:
        places = [item["loc"] for item in error.errors(include_url=False, include_context=False)]
        return {str(place[0]): _wrong(tree, *place) for place in reversed(places)}
    return {}


def _wrong(tree: Tree, key: str | int, *inner: str | int) -> str:
    """Say what is wrong at a place: a key, or an item of its list."""
    if key not in KEYS:
        return _unknown_key(str(key))
    value, it = tree.values[key], "it"
    if inner and isinstance(value, list):
        value, it = value[int(inner[0])], "one"
    return f"`{key}` {_RULES[key]}; {it} is {_said(value, key)}{_nearest(value, key)}"


def _said(value: object, key: str) -> str:
    match value:
        case Mapping():
            return "keys and values"
        case list():
            return "a list" if value else "an empty list"
        case "":
            return "empty"
        case bool():
            return f"the truth value {str(value).lower()}; put a word in quotes to have it taken as text"
        case str() if key in LIMITS and value.replace(".", "", 1).isdecimal():
            return f"`{one_line(value, 60)}` in quotes, which make it text: take them off"
    return f"`{one_line(str(value), 60)}`"


def _nearest(value: object, key: str) -> str:
    words = ROLES if key in PEOPLE else WORDS.get(key, ())
    close = get_close_matches(value.lower(), words, 1) if isinstance(value, str) else []
    return f", did you mean `{close[0]}`?" if close and close[0] != value else ""


def _unknown_key(key: str) -> str:
    shown = f"`{one_line(key, 60)}`"
    if key in LATER:
        return f"{shown} is kept for a later version of Orch and does nothing yet: take it out"
    close = get_close_matches(key.strip().lower().replace("-", "_"), KEYS, 1)
    hint = f"did you mean `{close[0]}`?" if close else f"known are {', '.join(f'`{known}`' for known in KEYS)}"
    return f"{shown} is not a key of this file; {hint}"


def _unknown_agent(tree: Tree, agents: Sequence[str]) -> dict[str, str]:
    agent = tree.values.get("agent")
    if not isinstance(agent, str) or not agent or agent in agents:
        return {}
    close = get_close_matches(agent, agents, 1)
    allowed = ", ".join(f"`{name}`" for name in agents)
    hint = f"did you mean `{close[0]}`?" if close else f"allowed: {allowed}"
    return {"agent": f"agent `{one_line(agent, 50)}` is not one that the operator allows; {hint}"}
