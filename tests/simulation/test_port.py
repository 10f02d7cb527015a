"""The simulated GitHub: that it is one, and that what it sends is read as what happened."""

import zlib

import pytest

from app.domain.errors import Missing, Permanent
from app.domain.events import BlockersChanged, BlockingChanged, Event, IssueClosed, ParentChanged, SubIssuesChanged
from app.domain.names import TaskRef
from app.github.payloads import parse_webhook
from app.ports import GitHub
from tests.simulation.github import MemoryGitHub
from tests.simulation.issues import REPOSITORY, WRITER
from tests.simulation.world import World, open_world


def task(number: int) -> TaskRef:
    return TaskRef(repository=REPOSITORY, number=number)


def told(world: World) -> list[Event]:
    """Read what is on the wire as Orch would, and take it off."""
    wire, world.place.wire = world.place.wire, []
    return [parse_webhook(hook.event, zlib.compress(hook.body), "a group") for hook in wire]


async def two_issues(world: World) -> None:
    for title in ("One", "Two"):
        await world.open_issue(title)
    world.place.wire.clear()


async def test_the_simulated_github_is_one() -> None:
    async with open_world() as world:
        port: GitHub = MemoryGitHub(world.place)
        assert [one.full_name for one in await port.repositories()] == ["acme/widgets"]


async def test_a_dependency_is_told_at_both_ends_once() -> None:
    async with open_world() as world:
        await two_issues(world)
        for _ in range(2):
            await world.add_blocked_by(2, blocker=1)
        assert told(world) == [
            BlockersChanged(task=task(2), actor=WRITER.actor),
            BlockingChanged(task=task(1), actor=WRITER.actor, blocked=task(2)),
        ]


async def test_a_sub_issue_is_told_at_both_ends() -> None:
    async with open_world() as world:
        await two_issues(world)
        await world.add_sub_issue(1, 2)
        await world.remove_sub_issue(1, 2)
        assert told(world) == [
            event
            for added in (True, False)
            for event in (
                ParentChanged(task=task(2), actor=WRITER.actor, parent=task(1), added=added),
                SubIssuesChanged(task=task(1), actor=WRITER.actor, child=task(2), added=added),
            )
        ]


async def test_the_end_of_an_issue_tells_of_its_links() -> None:
    async with open_world() as world:
        await two_issues(world)
        await world.add_sub_issue(1, 2)
        await world.add_blocked_by(1, blocker=2)
        world.place.wire.clear()
        await world.close(2, "not_planned")
        (closed,) = told(world)
        assert isinstance(closed, IssueClosed)
        assert (closed.state_reason, closed.blocking, closed.parent) == ("not_planned", 1, 1)


async def test_links_are_seen_through_the_port() -> None:
    async with open_world() as world:
        github = MemoryGitHub(world.place)
        await two_issues(world)
        made = await github.create_sub_issue(REPOSITORY, 1, "Three", "please")
        await github.add_blocked_by(REPOSITORY, made.number, world.issue(2).id)
        (child,) = await github.sub_issues(REPOSITORY, 1, bodies=True)
        assert (child.number, child.body, [one.number for one in child.blocked_by]) == (3, "please", [2])
        assert [one.number for one in await github.blocking(REPOSITORY, 2)] == [3]


async def test_what_github_refuses_is_refused_here() -> None:
    async with open_world() as world:
        github = MemoryGitHub(world.place)
        await two_issues(world)
        await world.add_sub_issue(1, 2)
        with pytest.raises(Permanent):
            await world.add_sub_issue(2, 1)
        with pytest.raises(Permanent):
            await github.add_blocked_by(REPOSITORY, 1, world.issue(1).id)
        with pytest.raises(Missing):
            await github.add_blocked_by(REPOSITORY, 1, 987)


async def test_each_webhook_lands_in_the_group_of_what_it_is_about() -> None:
    async with open_world() as world:
        await two_issues(world)
        await world.add_blocked_by(2, blocker=1)
        await world.add_sub_issue(1, 2)
        while await world.deliver():
            pass
        found = []
        while lease := await world.events.receive(0):
            found.append((lease.item.name, lease.item.group))
            await lease.ack()
        assert sorted(found) == sorted(
            (name, task(number).group) for name in ("issue_dependencies", "sub_issues") for number in (1, 2)
        )
