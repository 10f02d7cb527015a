"""A plan as the parent's record holds it: what is proposed, what was dropped from it, and who agreed."""

from collections.abc import Mapping
from decimal import Decimal
from graphlib import TopologicalSorter

from app.domain.base import Value
from app.domain.complexity import Complexity
from app.domain.plan import Plan

LONGEST_TITLE = 120
LONGEST_SUMMARY = 1000
LONGEST_NAME = 40
MOST_TOP = 5
MOST_PATHS = 8000
"""Characters of all paths together."""


class Item(Value):
    """One child that is proposed; the text of its issue is in the plan's artifact. All of it is an agent's words."""

    key: str
    title: str
    paths: tuple[str, ...] = ()
    role: str | None = None
    complexity: Complexity | None = None
    agent: str | None = None
    depends_on: tuple[str, ...] = ()
    dropped: bool = False


class Proposal(Value):
    """A plan: `digest` names the artifact that holds all of it. `approved_by` is empty while it waits for a person.

    `estimate` is what all of it may cost in US dollars, None if that is not known.
    """

    digest: str
    summary: str
    items: tuple[Item, ...]
    approved_by: str = ""
    estimate: Decimal | None = None

    @property
    def kept(self) -> tuple[Item, ...]:
        """List the children that are wanted, each after those it depends on, and with nothing dropped among these.

        Who depended on one that was dropped depends on what that one depended on.
        """
        by_key = {item.key: item for item in self.items}
        order = TopologicalSorter({item.key: item.depends_on for item in self.items}).static_order()
        ordered = [by_key[key] for key in order if not by_key[key].dropped]
        return tuple(item.model_copy(update={"depends_on": _kept_before(item, by_key)}) for item in ordered)

    def drop(self, keys: frozenset[str]) -> "Proposal":
        """Return the proposal with just these children dropped."""
        items = tuple(item.model_copy(update={"dropped": item.key in keys}) for item in self.items)
        return self.model_copy(update={"items": items})


def propose(plan: Plan, digest: str) -> Proposal:
    """Make a proposal of a plan that an agent made; raises nothing, as a Plan has no unknown names and no rings."""
    fitting = _fit({child.key: child.paths for child in plan.children})
    items = tuple(
        Item(
            key=child.key,
            title=child.title[:LONGEST_TITLE],
            paths=fitting[child.key],
            role=child.role,
            complexity=child.complexity,
            agent=child.agent,
            depends_on=child.depends_on,
        )
        for child in plan.children
    )
    return Proposal(digest=digest, summary=plan.summary[:LONGEST_SUMMARY], items=items)


def _fit(paths: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Let long lists of paths become those of their directories: the record travels in a comment, which is bounded."""
    fitting = {key: tuple(dict.fromkeys(each)) for key, each in paths.items()}
    while _size(fitting) > MOST_PATHS:
        wider = {key: tuple(dict.fromkeys(_above(path) for path in each)) for key, each in fitting.items()}
        if wider == fitting:
            return {key: each[:MOST_TOP] for key, each in fitting.items()}
        fitting = wider
    return fitting


def _size(paths: Mapping[str, tuple[str, ...]]) -> int:
    return sum(len(path) for each in paths.values() for path in each)


def _above(path: str) -> str:
    above, _, last = path.rstrip("/").rpartition("/")
    return above or last[:LONGEST_NAME]


def _kept_before(item: Item, by_key: Mapping[str, Item]) -> tuple[str, ...]:
    before: dict[str, None] = {}
    for key in item.depends_on:
        found = by_key[key]
        before |= dict.fromkeys(_kept_before(found, by_key)) if found.dropped else {key: None}
    return tuple(before)
