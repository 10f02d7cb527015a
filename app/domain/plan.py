"""What a planning run proposes and what an integration run finds, as an agent answers it in JSON.

All of it is raw: an agent wrote it after it read the issue and the repository. Who shows any of it, or makes issues of
it, takes it through `app.domain.text` first.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import Field, StrictBool, StringConstraints, ValidationError

from app.domain.base import Value
from app.domain.complexity import Complexity
from app.domain.json_answer import NoAnswer, read_object
from app.domain.locks import take_paths
from app.domain.schemas import describe_errors, schema_of
from app.domain.text import neutralise, one_line, subject

MOST_CHILDREN = 30
MOST_TEXT = 100_000
"""Characters of a whole plan: it goes through queues and stores whose items are bounded."""
MOST_PROBLEMS = 20
LONGEST_TITLE = 256
LONGEST_BODY = 20_000
T = TypeVar("T", bound=Value)

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Path = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class PlannedChild(Value):
    """One sub-issue that is proposed; its issue has the `acceptance` criteria under the body."""

    key: Key = Field(description="a short name for this sub-issue, unique in the plan; letters, digits, `-` and `_`")
    title: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TITLE)] = Field(
        description="the issue's title, on one line"
    )
    body: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_BODY)] = Field(
        description="the issue's text in Markdown: what is to be done and what one must know, without the criteria"
    )
    acceptance: tuple[Line, ...] = Field(
        min_length=1, max_length=20, description="acceptance criteria, each one line that can be checked"
    )
    paths: tuple[Path, ...] = Field(
        default=(),
        max_length=50,
        description="files and directories that will be changed, relative to the repository's root",
    )
    role: Word | None = Field(default=None, description="who is to do it, if the roles are listed; else leave it out")
    complexity: Complexity | None = Field(default=None, description="how hard it is")
    agent: Word | None = Field(default=None, description="the agent that is to do it; leave it out unless it matters")
    depends_on: tuple[Key, ...] = Field(
        default=(), max_length=MOST_CHILDREN - 1, description="keys of the sub-issues that must be done first"
    )


class Plan(Value):
    """How an issue is to be divided; one that `read_plan` returned has unique keys, no unknown ones and no ring."""

    summary: Annotated[str, StringConstraints(min_length=1, max_length=4000)] = Field(
        description="what the plan does and why it is divided so, in a few sentences"
    )
    children: tuple[PlannedChild, ...] = Field(min_length=1, max_length=MOST_CHILDREN, description="the sub-issues")


class Criterion(Value):
    """Something the whole must do, and whether it was found to."""

    text: Line = Field(description="the acceptance criterion")
    met: StrictBool = Field(description="whether you saw that it is met; false if you could not tell")
    why: Annotated[str, StringConstraints(min_length=1, max_length=2000)] = Field(
        description="what you saw that shows it: a command and its result, or `path:line`"
    )


class Verdict(Value):
    """What an integration run found."""

    summary: Annotated[str, StringConstraints(min_length=1, max_length=4000)] = Field(
        description="what you checked and what you found, in a few sentences"
    )
    criteria: tuple[Criterion, ...] = Field(max_length=50, description="every acceptance criterion, at least one")

    @property
    def met(self) -> bool:
        """Say whether all is as it should be: nothing checked is nothing met."""
        return bool(self.criteria) and all(criterion.met for criterion in self.criteria)


class BadPlan(Exception):
    """An answer cannot be used; each of `problems` is a line that says where, and what to do. What it quotes is raw."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def read_plan(text: str) -> Plan:
    """Read the plan that an agent's answer ends with, fenced or bare; raises BadPlan with all that is wrong."""
    plan = _read(text, Plan, "children")
    if problems := [*_too_long(plan), *_problems(plan.children)]:
        raise BadPlan(_first(problems))
    return plan.model_copy(update={"children": tuple(_tidy(child) for child in plan.children)})


def read_verdict(text: str) -> Verdict:
    """Read the verdict that an agent's answer ends with; raises BadPlan."""
    verdict = _read(text, Verdict, "criteria")
    if not verdict.criteria:
        raise BadPlan(["criteria: is empty; name each acceptance criterion and say whether it is met."])
    return verdict


def plan_schema() -> dict[str, Any]:
    """Return the JSON Schema of a plan, as an agent is shown it."""
    return schema_of(Plan)


def verdict_schema() -> dict[str, Any]:
    """Return the JSON Schema of a verdict, as an agent is shown it."""
    return schema_of(Verdict)


def find_ring(depends_on: Mapping[str, Sequence[str]]) -> tuple[str, ...] | None:
    """Return names of which each depends on the next, and the last is the first; None if there is no such ring.

    Names that are no key of the mapping depend on nothing.
    """
    clear: set[str] = set()
    for start in depends_on:
        if ring := _ring_from(start, depends_on, clear):
            return ring
    return None


def issue_title(child: PlannedChild) -> str:
    """Return the title of the child's issue, fit for GitHub."""
    return subject(child.title, LONGEST_TITLE)


def issue_body(child: PlannedChild) -> str:
    """Return the text of the child's issue with its acceptance criteria as a list, fit for GitHub."""
    criteria = "\n".join(f"- [ ] {one_line(line, 500)}" for line in child.acceptance)
    return f"{neutralise(child.body, LONGEST_BODY + 1000).strip()}\n\n## Acceptance criteria\n\n{criteria}\n"


def _ring_from(start: str, depends_on: Mapping[str, Sequence[str]], clear: set[str]) -> tuple[str, ...] | None:
    """Walk down from a name; those that lead to no ring come to be `clear`."""
    way: list[str] = []
    steps: list[Iterator[str]] = [iter((start,))]
    while steps:
        name = next(steps[-1], None)
        if name is None:
            steps.pop()
            clear.update(way[-1:])
            del way[-1:]
        elif name in way:
            return (*way[way.index(name) :], name)
        elif name not in clear:
            way.append(name)
            steps.append(iter(depends_on.get(name, ())))
    return None


def _problems(children: Sequence[PlannedChild]) -> Iterator[str]:
    """Say what no schema tells."""
    keys = [child.key for child in children]
    for index, child in enumerate(children):
        at = f"children[{index}]"
        if child.key in keys[:index]:
            yield f"{at}.key: `{child.key}` is the key of children[{keys.index(child.key)}] too; give each its own."
        yield from _text_problems(child, at)
        yield from (f"{at}.paths: {problem}." for path in child.paths if (problem := _path_problem(path)))
        yield from (
            f"{at}.depends_on: `{name}` is the key of no child; name children by their keys."
            for name in child.depends_on
            if name not in keys
        )
    if ring := find_ring({child.key: child.depends_on for child in children}):
        yield f"children.depends_on: {' -> '.join(ring)} is a ring, so none of them could begin; break it."


def _text_problems(child: PlannedChild, at: str) -> Iterator[str]:
    if len(child.title.splitlines()) != 1 or not child.title.strip():
        yield f"{at}.title: must be one line that says something."
    if not child.body.strip():
        yield f"{at}.body: is blank; say what is to be done."
    for index, line in enumerate(child.acceptance):
        if len(line.splitlines()) != 1 or not line.strip():
            yield f"{at}.acceptance[{index}]: must be one line that says something."


def _path_problem(path: str) -> str | None:
    try:
        take_paths([path])
    except ValueError as error:
        return str(error)
    return None


def _tidy(child: PlannedChild) -> PlannedChild:
    """Return the child with each path and each dependency once, and paths without what says nothing."""
    changes = {"paths": take_paths(child.paths), "depends_on": tuple(dict.fromkeys(child.depends_on))}
    return child.model_copy(update={**changes, "title": child.title.strip()})


def _too_long(plan: Plan) -> Iterator[str]:
    size = len(plan.model_dump_json())
    if size > MOST_TEXT:
        yield f"the plan: has {size:,} characters, and may have {MOST_TEXT:,}; say less in the bodies."


def _read(text: str, kind: type[T], key: str) -> T:
    try:
        return kind.model_validate(read_object(text, key))
    except NoAnswer as error:
        raise BadPlan([str(error)]) from error
    except ValidationError as error:
        raise BadPlan(_first(describe_errors(error.errors(include_url=False)))) from error


def _first(problems: Sequence[str]) -> Sequence[str]:
    more = len(problems) - MOST_PROBLEMS
    return problems if more <= 0 else [*problems[:MOST_PROBLEMS], f"and {more} more like these."]
