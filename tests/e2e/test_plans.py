"""Plans by comment: shown, changed, refused, approved; and what people do to the sub-issues afterwards."""

from functools import partial
from typing import Any

import pytest

from tests.e2e.harness import Harness, run_all
from tests.e2e.plans import (
    RECORD,
    block,
    blockers_of,
    child,
    children_of,
    close,
    fenced,
    living_of,
    plan_of,
    plan_text,
    unblock,
    until_children,
    verdict_of,
)
from tests.e2e.world import World

QUICK: dict[str, Any] = {"SETTLE": 0.2}
"""Parents show what children tell after a few times this."""
WRITERS_ONLY = "only people with write access to this repository start or steer work"
DROPPED = "was closed, but not as completed: a person reopens it, or takes it off the issues that block this one."


async def planned(world: World, *children: dict[str, Any]) -> int:
    """Let a plan wait for a person."""
    number = await world.open_issue("Whole", plan_of(*children) + verdict_of(), label="plan")
    await world.until_status(number, "needs_review")
    await world.until_idle()
    return number


async def begun(world: World, *children: dict[str, Any]) -> tuple[int, dict[str, int]]:
    """Let a plan be approved and its children be created."""
    number = await planned(world, *children)
    await world.say(number, "/approve")
    found = await until_children(world, number, len(children))
    await world.until_status(number, "blocked")
    return number, found


async def until_planned(world: World, number: int, title: str) -> None:
    """Wait until another plan is shown, which has a sub-issue of that title."""
    await world.until_text(number, title)
    await world.until_status(number, "needs_review")
    await world.until_idle()


async def edit_living(world: World, number: int, before: str, after: str, token: str) -> None:
    """Edit the living comment as people do who tick a box."""
    [living] = [one for one in await world.read(f"/issues/{number}/comments") if RECORD in one["body"]]
    assert before in living["body"]
    path = f"/repos/{world.repository}/issues/comments/{living['id']}"
    await world.call("PATCH", path, {"body": living["body"].replace(before, after)}, token)


async def merge(world: World, number: int) -> None:
    """Merge the pull request of a child that is in review."""
    await world.until_status(number, "in_review")
    [pull] = [one for one in await world.pulls() if one["head"]["ref"].startswith(f"orch/{number}-")]
    await world.merge(pull["number"])
    await world.until_status(number, "done")


async def test_a_plan_is_shown_changed_refused_and_approved_by_those_who_may(world: World) -> None:
    await world.start_orch(**QUICK)
    number = await planned(world, child("a"), child("b", ["a"]), child("c", ["b"], paths=["src/"]))
    shown = await living_of(world, number)
    assert "| `c` | Part c | `b` |  |  |  | `src` |" in shown
    assert '```mermaid\ngraph LR\n    n1["a: Part a"]\n' in shown
    assert "    n2 --> n3\n" in shown
    assert "- [x] `c` Part c" in shown

    await world.say(number, "/approve", "triager")
    assert WRITERS_ONLY in await world.until_reply(number, 2)
    refused = await world.say(number, f"/plan Mine.\n\n{plan_of(child('mine'))}", "triager")
    await world.until_reactions(refused, ["eyes", "confused"])
    with pytest.raises(AssertionError, match="403"):
        await edit_living(world, number, "- [x] `c`", "- [ ] `c`", "triager")
    assert await children_of(world, number) == {}

    await world.say(number, f"/plan Two will do.\n\n{plan_of(child('a'), child('z', ['a']))}")
    await until_planned(world, number, "Part z")
    await world.say(number, f"/deny Not so.\n\n{plan_of(child('a'), child('x', ['a']), child('y', ['x']))}")
    await until_planned(world, number, "Part y")
    await edit_living(world, number, "- [x] `x`", "- [ ] `x`", "maintainer")
    await world.until_text(number, "`maintainer` changed the plan: 2 of 3 sub-issues are kept.")

    approval = await world.say(number, "/approve")
    children = await until_children(world, number, 2)
    await world.until_reactions(approval, ["eyes", "rocket"])
    await world.until_idle()
    assert sorted(children) == ["a", "y"]
    assert await blockers_of(world, children["y"]) == {children["a"]}  # what it depended on through the dropped one
    assert "## Acceptance criteria\n\n- [ ] y is there" in (await world.read(f"/issues/{children['y']}"))["body"]
    assert len(await world.replies(number)) == 4  # a call for each plan, and the refusal
    for key in ("a", "y"):
        await merge(world, children[key])
    await world.until_status(number, "done")


async def test_a_plan_that_cannot_be_used_is_told_to_the_agent_and_then_to_people(world: World) -> None:
    await world.start_orch(MAX_ATTEMPTS=1)
    answer = plan_text(child("a", ["b"]), child("b", ["a"]))
    twice = f"#!/bin/bash\necho asked >> {world.folder}/asked\ncat <<'END'\n{answer}\nEND\n"
    ring = await world.open_issue("Ring", fenced("plan", twice), label="plan")
    text = await world.open_issue("Text", fenced("plan", "{not json"), label="plan")
    await world.until_status(ring, "needs_review")
    await world.until_status(text, "needs_review")
    await world.until_idle()
    assert "children.depends_on: a -> b -> a is a ring" in (await world.replies(ring))[0]
    assert "there is no JSON object in the answer" in (await world.replies(text))[0]
    assert len((world.folder / "asked").read_text().split()) == 3  # once, and twice more with what was wrong
    await world.say(ring, "/approve")
    assert "nothing waits for it here" in await world.until_reply(ring, 2)


async def test_people_stop_link_close_remove_and_add_what_was_planned(world: World) -> None:
    """One plan through all that people may do to its sub-issues on GitHub itself."""
    gate = world.folder / "gate"
    await world.start_orch(**QUICK)
    waits = f"until [ -e {gate} ]; do sleep 0.05; done\necho a > a.txt"
    parts = (child("a", script=waits), child("b", ["a"]), child("c", ["a"]), child("d", ["b", "c"]))
    number, children = await begun(world, *parts)
    await world.until_text(children["a"], "works on attempt 1")

    await world.say(number, "/stop")
    for key in "abcd":
        await world.until_status(children[key], "paused")
    await world.until_text(children["b"], f"#{number}, which it is a part of, was stopped or ended.")
    await world.until_idle()
    await world.say(number, "/resume")
    for key, status in {"a": "in_progress", "b": "blocked", "c": "blocked", "d": "blocked"}.items():
        await world.until_status(children[key], status)

    own = await world.open_issue("A person's own", "By hand.", label=None)
    await block(world, children["b"], own)
    await world.until_text(children["b"], f"It waits until #{children['a']}, #{own} are closed as completed.")
    gate.touch()
    await merge(world, children["a"])
    await world.until_status(children["c"], "in_review")
    await world.until_text(children["b"], f"It waits until #{own} is closed as completed.")
    await close(world, own)
    await world.until_status(children["b"], "in_review")  # the last of its blockers was closed, by a person

    await close(world, children["b"], "not_planned")
    await world.until_text(children["d"], f"#{children['b']} {DROPPED}")
    await world.until_text(number, f"#{children['d']} does not go on by itself. It waits until #{children['b']},")
    await world.until_text(number, f"A person must act on #{children['d']}.")
    await unblock(world, children["d"], children["b"])
    await unblock(world, children["d"], children["c"])
    await world.until_status(children["d"], "in_review")  # the links were taken away, so it was begun

    issues = await children_of(world, number)
    parent = f"/repos/{world.repository}/issues/{number}"
    await world.call("DELETE", f"{parent}/sub_issue", {"sub_issue_id": issues["c"]["id"]})
    mine = await world.open_issue("Also this", "By hand.", label=None)
    found = await world.read(f"/issues/{mine}")
    await world.call("POST", f"{parent}/sub_issues", {"sub_issue_id": found["id"]})
    await world.until_text(number, f"| #{mine} Also this | open, not Orch's |")
    assert f"| #{children['c']} Part c |" not in await living_of(world, number)
    await merge(world, children["d"])
    await world.until_idle()
    await world.until_status(number, "blocked")
    await close(world, mine)
    await world.until_text(number, f"All sub-issues are closed: #{children['b']} was closed, but not as completed.")
    approval = await world.say(number, "/approve")
    await world.until_status(number, "done")
    await world.until_reactions(approval, ["eyes", "rocket"])


async def test_where_people_start_everything_each_sub_issue_waits_for_them(world: World) -> None:
    await world.start_orch(AUTONOMY="manual", **QUICK)
    number, children = await begun(world, child("a"), child("b", ["a"]))
    await world.until_status(children["a"], "needs_review")
    await world.until_text(number, f"A person must act on #{children['a']}.")
    await world.say(children["a"], "/retry")
    await merge(world, children["a"])
    await world.until_status(children["b"], "needs_review")
    await world.until_text(children["b"], "waits for a person with write access, who starts it with `/retry`")
    await world.until_idle()
    assert len(await world.pulls()) == 1


PARTS = (child("a"), child("b", ["a"]), child("c", ["a", "b"]), child("d"))
LINKS = {"a": "", "b": "a", "c": "ab", "d": ""}


POINTS = (
    "run_finished: before github.create_sub_issue 3",
    "run_finished: after github.create_sub_issue 3",
    "run_finished: after github.add_blocked_by 2",
)


async def test_i2_killed_in_the_middle_of_its_creation_each_sub_issue_is_made_once(harness: Harness) -> None:
    assert await run_all({point: partial(killed, harness, point) for point in POINTS}) == []


async def killed(harness: Harness, point: str) -> None:
    """Kill Orch at the point, where some of the sub-issues are there, and start it again."""
    async with harness.world(point) as world:
        world.environment["ORCH_AUTONOMY"] = "full"
        first = await harness.start(world, kill_at=point)
        number = await world.open_issue("Whole", plan_of(*PARTS) + verdict_of(), label="plan")
        await first.wait()
        assert len(await children_of(world, number)) >= 2
        await harness.start(world)
        await assert_made_once(world, number)


async def test_i2_each_sub_issue_is_made_once_though_each_write_answers_502(world: World) -> None:
    await world.start_orch(AUTONOMY="full")
    await world.until_idle()
    await world.faults(write_then_502="once", lag_seconds=0.15)
    number = await world.open_issue("Whole", plan_of(*PARTS) + verdict_of(), label="plan")

    async def linked() -> bool:
        found = await until_children(world, number, len(PARTS))
        return await blockers_of(world, found["c"]) == {found[key] for key in LINKS["c"]}

    await world.until("all sub-issues with their links", linked)
    await world.faults()
    await assert_made_once(world, number)


async def assert_made_once(world: World, number: int) -> None:
    """Let it come to its end, and look at what GitHub has."""
    await world.until_status(number, "done")
    await world.until_idle()
    issues = await children_of(world, number)
    numbers = {key: int(issue["number"]) for key, issue in issues.items()}
    log = await world.call("GET", "/_hub/events")
    opened = [one["number"] for one in log if one["event"] == "opened" and not one["is_pull"]]
    assert opened == [number, *sorted(numbers.values())]
    assert {key: await blockers_of(world, each) for key, each in numbers.items()} == {
        key: {numbers[before] for before in after} for key, after in LINKS.items()
    }
    assert len(await world.pulls()) == len(PARTS)
    assert {len([body for body in await world.comments(each) if RECORD in body]) for each in numbers.values()} == {1}
