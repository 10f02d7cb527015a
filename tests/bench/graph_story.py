"""A parent with 100 sub-issues in a simulated repository: 30 that were planned and are worked on, 70 that people added.

Each event is handled by the real composition, over SQLite and GitHub in memory, and what that took is noted.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.domain.comment import render_comment
from app.domain.envelope import Envelope
from app.domain.events import BlockersChanged, SubIssuesChanged
from app.domain.graph_events import ChildMoved
from app.domain.markers import Keyring
from app.domain.outcomes import Outcome
from app.domain.plan import Plan, PlannedChild
from app.domain.record import TaskRecord
from app.domain.task import Status
from app.ports import Lease
from app.process import Process
from tests.simulation.gate import ASKS
from tests.simulation.issues import BOT
from tests.simulation.runner import Ending
from tests.simulation.world import World, open_world

CHILDREN, PLANNED = 100, 30
BY_STATUS = {
    Status.ROUTED: "a child is routed",
    Status.IN_PROGRESS: "a child's run began",
    Status.IN_REVIEW: "a child's run ended",
    Status.DONE: "a child was merged",
}
ORDINARY = {
    "issue_moved": "a person's issue was closed",
    "blocker_moved": "a blocker moved",
    "dependent_waits": "another waits for it",
}
LINKS = {
    "graph_due": "the children are started",
    "graph_shown": "the comment is shown anew",
    "sub_issues_changed": "a person added a sub-issue",
    "blockers_changed": "a person added a blocker",
}
TITLES = ("Take the parser of {} out of the server and give it an interface of its own",
          "Write down in the guide how {} is set up, with an example that is run as a test",
          "Move {} to the new storage, and keep reading what the old one left behind")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Handled:
    """What handling one event took: milliseconds, documents or lists read, commits, and questions to GitHub."""

    ms: float
    gets: int
    commits: int
    reads: int


@dataclass(frozen=True, slots=True)
class Story:
    """What was handled, by the kind of event, and records while all children are open: the parent's, a blocked child's.

    `comment` is the length of the parent's living comment.
    """

    handled: Mapping[str, Sequence[Handled]]
    parent: TaskRecord
    child: TaskRecord
    comment: int


class Metered:
    """Handles envelopes as its process does, and notes what that took."""

    def __init__(self, process: Process, counts: Counter[str]) -> None:
        self._process, self._counts = process, counts
        self.handled: dict[str, list[Handled]] = defaultdict(list)

    async def __call__(self, lease: Lease[Envelope]) -> None:
        name = self._name(lease.item)
        before, begin = self._counts.copy(), time.perf_counter()
        await self._process(lease)
        ms, spent = (time.perf_counter() - begin) * 1000, self._counts - before
        gets = sum(spent[f"store.{how}"] for how in ("get", "query", "find"))
        commits = spent["store.commit"]
        reads = sum(count for call, count in spent.items() if call.partition(".")[2] in ASKS and call[:6] == "github")
        if name:
            self.handled[name].append(Handled(ms, gets, commits, reads))

    def _name(self, envelope: Envelope) -> str | None:
        """Name what is of interest; what only waits for its time is not."""
        if envelope.not_before is not None:
            return None
        event = self._process.parse(envelope)
        if isinstance(event, SubIssuesChanged | BlockersChanged) and event.actor.id == BOT.id:
            return None
        if isinstance(event, ChildMoved):
            return BY_STATUS.get(event.status) if event.status else "a child that is no task moved"
        return (ORDINARY | LINKS).get(str(getattr(event, "type", "")))


async def play() -> Story:
    """Let all of it happen once."""
    async with open_world(autonomy="checkpoint", max_parallel=CHILDREN) as world:
        world.place.echoes = False
        metered = Metered(world.core.process, world.counts)
        world.core = replace(world.core, process=metered)  # type: ignore[arg-type]  # it is called, and no more
        parent = await _planned(world)
        others = await _opened(world)
        await world.comment(parent, "/approve")
        await world.settle(within=3)
        await _linked(world, parent, others)
        full, child = await _record(world, parent), await _record(world, world.issue(parent).children[PLANNED - 1])
        assert full.graph is not None
        assert len(full.graph.open) == CHILDREN
        await _finished(world, others)
        return Story(metered.handled, full, child, len(render_comment(full, Keyring((b"a key",)))))


async def _planned(world: World) -> int:
    number = await world.open_issue("Divide the server", "All of it.", ())
    world.endings[number] = [Ending(Outcome.PLANNED, more={"plan": _plan()})]
    await world.label(number, "plan")
    await world.settle()
    return number


def _plan() -> Plan:
    """Propose five layers of six: each child waits for two of the layer before it, and names three paths."""
    children = [
        PlannedChild(
            key=f"part-{n}",
            title=_title(n),
            body="What is to be done. " * 20,
            acceptance=("the tests pass",),
            paths=tuple(f"src/part_{n}/module_{index}.py" for index in range(3)),
            depends_on=() if n < 6 else (f"part-{n - 6}", f"part-{n // 6 * 6 - 6 + (n + 1) % 6}"),
        )
        for n in range(PLANNED)
    ]
    return Plan(summary="Divided so that each part can be reviewed by itself. " * 4, children=tuple(children))


def _title(number: int) -> str:
    return TITLES[number % len(TITLES)].format(f"part {number}")


async def _opened(world: World) -> list[int]:
    """Let people open issues, which become sub-issues once the plan's own are there."""
    return [await world.open_issue(_title(number)) for number in range(PLANNED, CHILDREN)]


async def _linked(world: World, parent: int, others: Sequence[int]) -> None:
    """Let people add theirs as sub-issues that wait for two others, and block some of the planned ones with them."""
    for place, number in enumerate(others):
        await world.add_sub_issue(parent, number)
        await world.settle(within=1)
        for blocker in others[max(0, place - 2) : place]:
            await world.add_blocked_by(number, blocker)
    planned = world.issue(parent).children[6:PLANNED]
    for number, blocker in zip(planned, others, strict=False):
        await world.add_blocked_by(number, blocker)
        await world.settle(within=1)


async def _finished(world: World, others: Sequence[int]) -> None:
    """Close what people do themselves, and merge what Orch does, up to the end."""
    for number in others[:-1]:
        await world.close(number)
        await world.settle(within=1)
    while any(row.is_open for row in world.place.pulls.values()):
        for row in [row for row in world.place.pulls.values() if row.is_open]:
            await world.merge(row.number)
        await world.settle()


async def _record(world: World, number: int) -> TaskRecord:
    record: Any = await world.record(number)
    assert isinstance(record, TaskRecord)
    return record
