"""An approved plan becomes 30 linked sub-issues, as fast as GitHub's limits on creating content let it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.github.client import pace_of
from app.github.pacing import Pace
from tests.bench.figures import Bench, Figure, at_least, at_most
from tests.bench.stage import EVERYDAY, new_stage
from tests.e2e.plans import child, plan_of
from tests.e2e.world import World

CHILDREN, LINKS = 30, 60
PER_MINUTE, PER_HOUR = 80, 500
MOST = 1.1
GAPS = (0, 1)
"""Seconds between two writes: without a gap it is the minute's limit that takes time, with Orch's default the gap."""
ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Write:
    """Something that Orch wrote, when that was done, and whether it counts as created."""

    at: float
    creates: bool


@dataclass(frozen=True, slots=True)
class Drain:
    """What creating and linking took, in seconds, and what it would take at least."""

    seconds: float
    least: float
    created: int
    refused: int
    repeated: int


async def measure(bench: Bench) -> Sequence[Figure]:
    """Do it with both gaps at once, in worlds of their own, and twice at most: each takes a minute or two."""
    rounds = [await asyncio.gather(*(_once(bench, gap) for gap in GAPS)) for _ in range(min(bench.runs, ROUNDS))]
    return [
        figure for gap, drains in zip(GAPS, zip(*rounds, strict=True), strict=True) for figure in _show(gap, drains)
    ]


def _show(gap: float, drains: Sequence[Drain]) -> list[Figure]:
    where = f"{CHILDREN} sub-issues, {LINKS} links, gap {gap} s"
    return [
        Figure(f"{where}: /approve -> last link", [one.seconds for one in drains], "s"),
        Figure(f"{where}: least by the limits", [one.least for one in drains], "s"),
        Figure(f"{where}: taken / least", [one.seconds / one.least for one in drains], "x", at_most(MOST)),
        Figure(f"{where}: created", [one.created for one in drains], "requests", at_least(CHILDREN + LINKS)),
        Figure(f"{where}: links sent again", [one.repeated for one in drains], "requests", at_most(0)),
        Figure(f"{where}: refused by GitHub", [one.refused for one in drains], "requests", at_most(0)),
    ]


async def _once(bench: Bench, gap: float) -> Drain:
    async with new_stage(bench.scratch) as world:
        await world.faults(secondary_limit={"count": PER_MINUTE, "window": 60})
        await world.start_orch(**EVERYDAY | {"WRITE_GAP": gap})
        number = await world.open_issue("Whole", plan_of(*_parts()), label="plan")
        await world.until_status(number, "needs_review")
        await world.until_idle()
        await world.say(number, "/approve")
        await world.until("all links", lambda: _linked(world))
        return await _told(world, gap)


def _parts() -> list[dict[str, Any]]:
    """Propose sub-issues that wait for the two or three before them."""
    after = [list(range(max(0, n - 2), n)) for n in range(CHILDREN)]
    for n in range(LINKS - sum(map(len, after))):
        after[-1 - n].append(n)
    return [child(f"c{n}", [f"c{one}" for one in before], "true") for n, before in enumerate(after)]


async def _linked(world: World) -> bool:
    return len(await _happened(world, "blocked_by_added")) == LINKS


async def _happened(world: World, event: str) -> list[float]:
    return [one["at"] for one in await world.call("GET", "/_hub/events") if one["event"] == event]


async def _told(world: World, gap: float) -> Drain:
    """Read out of the hub's own log what was sent and when."""
    [approved] = [one["at"] for one in await world.call("GET", "/_hub/requests") if _is_approval(one)]
    sent = await world.requests()
    last = max(one["at"] for one in sent if one["path"].endswith("/blocked_by"))
    made = [Write(at, creates=True) for at in await _happened(world, "sub_issue_added")]
    writes = sorted([*made, *_writes(sent)], key=lambda one: one.at)
    return Drain(
        seconds=last - approved,
        least=soonest([one for one in writes if one.at <= last], approved, gap) - approved,
        created=sum(one.creates and approved < one.at <= last for one in writes),
        refused=sum(one["status"] in (403, 429) for one in sent),
        repeated=sum(one["status"] == 422 for one in sent if one["path"].endswith("/blocked_by")),
    )


def _is_approval(entry: dict[str, Any]) -> bool:
    return bool(entry["principal"] == "writer" and entry["method"] == "POST" and entry["path"].endswith("/comments"))


def _writes(sent: Sequence[dict[str, Any]]) -> list[Write]:
    """List what was written by REST; of GraphQL the log says too little."""
    rest = [(one["at"], pace_of(one["method"], one["path"])) for one in sent if not one["path"].endswith("/graphql")]
    return [Write(at, pace is Pace.CREATE) for at, pace in rest if pace is not Pace.READ]


def soonest(writes: Sequence[Write], start: float, gap: float) -> float:
    """Say when the last of the writes could have been done, had those after `start` taken no time at all."""
    created = [one.at for one in writes if one.creates and one.at <= start]
    at = start
    for write in (one for one in writes if one.at > start):
        at += gap
        if write.creates:
            windows = ((PER_MINUTE, 60), (PER_HOUR, 3600))
            at = max([at, *(created[-most] + length for most, length in windows if len(created) >= most)])
            created.append(at)
    return at
