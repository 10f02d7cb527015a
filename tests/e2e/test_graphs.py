"""A planned issue as a graph of sub-issues: order, locks and sums, by GitHub's own log and by what the runs did."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import combinations, pairwise
from typing import Any

from app.domain.locks import conflicts, take_paths
from runner.agents.base import Wire
from tests.e2e.plans import RECORD, blockers_of, child, children_of, plan_of, record_in, verdict_of, versions_of
from tests.e2e.world import World
from tests.model.script import Scenario, Shell, Turn
from tests.model.server import ModelServer, model_server

AFTER = {
    "a": "", "b": "a", "c": "a", "d": "a", "e": "bcd", "f": "e", "g": "e", "h": "e", "i": "fg", "j": "h", "k": "ij",
    "l": "",
}  # fmt: skip
PATHS = {
    "b": ("src/parser.py",),
    "c": ("src/",),
    "f": ("docs/guide.md", "f.md"),
    "g": ("docs/*.md",),
    "h": ("lib/h.py",),
    "l": ("src/parser.py",),
}
PAID = ("d", "j")
"""Those that an agent does whose runs cost something."""
AT_ONCE = 4
KEY = "sk-canary-of-the-provider-0123456789abcdef"


@dataclass(frozen=True)
class Story:
    """A graph that ran to its end: what GitHub tells of it, and what its runs noted themselves."""

    number: int
    log: list[dict[str, Any]]
    issues: dict[str, dict[str, Any]]
    blockers: dict[str, set[int]]
    pulls: dict[str, list[dict[str, Any]]]
    versions: dict[str, list[str]]
    """All versions of the living comments, of the parent under an empty key."""
    noted: dict[str, list[float]]

    def record(self, key: str) -> dict[str, Any]:
        return record_in(self.versions[key][-1])

    def run(self, key: str) -> tuple[float, float]:
        """Return when the one run of a child began and ended."""
        [run] = self.record(key)["runs"]
        began, ended = (datetime.fromisoformat(run[name]).timestamp() for name in ("started_at", "ended_at"))
        return began, ended

    def happened(self, number: int, event: str) -> dict[str, Any]:
        """Return what happened once to an issue or pull request."""
        [found] = [one for one in self.log if (one["number"], one["event"]) == (number, event)]
        return found

    def cost(self, key: str) -> Decimal:
        return sum((Decimal(run["usage"]["cost"]) for run in self.record(key)["runs"]), Decimal(0))


def parts(world: World) -> list[dict[str, Any]]:
    """Propose the sub-issues; those with the same paths write to the same lines of the same file."""
    notes = world.folder / "notes"
    found = []
    for key, after in AFTER.items():
        file = next((path for path in PATHS.get(key, ()) if path.endswith((".py", "e.md"))), "docs/guide.md")
        file = "src/parser.py" if key == "c" else file if key in PATHS else f"{key}.txt"
        note = f'echo "{key} $(date +%s.%N)" >> {notes}'
        script = f"{note}\nmkdir -p $(dirname {file})\necho {key} > {file}\nsleep 0.1\n{note}"
        agent = {"agent": "mini"} if key in PAID else {}
        found.append(child(key, list(after), script, paths=list(PATHS.get(key, ())), **agent))
    return found


async def start(world: World, model: ModelServer) -> None:
    model.scenarios["part"] = Scenario((Turn((Shell("mktemp ./XXXXXX.txt"),)),))
    options = {"base_url": model.url("part", Wire.OPENAI_CHAT), "key": "MODEL_KEY", "model": "gpt-5.5"}
    world.environment["MODEL_KEY"] = KEY
    agents, more = json.dumps(["script", "mini"]), json.dumps({"mini": options})
    await world.start_orch(AGENTS=agents, AGENT_OPTIONS=more, AUTONOMY="full", MAX_PARALLEL=AT_ONCE)


async def told(world: World, number: int) -> Story:
    """Collect the story from GitHub."""
    issues = await children_of(world, number)
    pulls = await world.pulls()
    numbers = {"": number} | {key: int(issue["number"]) for key, issue in issues.items()}
    versions, noted = await versions_of(world), dict[str, list[float]]()
    for line in (world.folder / "notes").read_text().splitlines():
        noted.setdefault(line[0], []).append(float(line[2:]))
    return Story(
        number,
        await world.call("GET", "/_hub/events"),
        issues,
        {key: await blockers_of(world, each) for key, each in numbers.items()},
        {
            key: [one for one in pulls if one["head"]["ref"].startswith(f"orch/{each}-")]
            for key, each in numbers.items()
        },
        {key: versions[each] for key, each in numbers.items()},
        noted,
    )


async def test_a_plan_runs_as_a_graph_of_native_issues_in_order_within_limits_and_locks(world: World) -> None:
    """Once through a diamond of twelve with nobody but Orch, and then all that must be so in the log of it."""
    async with model_server() as model:
        await start(world, model)
        number = await world.open_issue("Whole", plan_of(*parts(world)) + verdict_of(), label="plan")
        await world.until_status(number, "done")
        await world.until_idle()
    story = await told(world, number)
    assert_ended_well(story, await world.read(f"/issues/{number}"))
    assert_each_made_once(story)
    assert_linked_as_planned(story)
    assert_none_begins_before_its_blockers_are_closed(story)
    assert_within_limits(story)
    assert_no_path_is_worked_on_by_two(story)
    assert_progress_never_goes_back(story)
    assert_costs_add_up(story)
    assert await world.refs() == ["refs/heads/main"]
    assert world.workspaces() == []


def assert_ended_well(story: Story, parent: dict[str, Any]) -> None:
    assert (parent["state"], parent["state_reason"]) == ("closed", "completed")
    assert story.versions[""][-1].startswith("**Orch: done.** All sub-issues are closed, and the whole was checked:")
    for key, issue in story.issues.items():
        assert (key, issue["state"], issue["state_reason"]) == (key, "closed", "completed")
        assert {label["name"] for label in issue["labels"]} == {"orch", "status:done"}


def assert_each_made_once(story: Story) -> None:
    opened = [one for one in story.log if one["event"] == "opened"]
    assert len([one for one in opened if not one["is_pull"]]) == 1 + len(AFTER)
    assert len([one for one in opened if one["is_pull"]]) == len(AFTER)
    assert len([one for one in story.log if one["event"] == "sub_issue_added"]) == len(AFTER)
    assert {key: len(pulls) for key, pulls in story.pulls.items()} == {"": 0, **dict.fromkeys(AFTER, 1)}


def assert_linked_as_planned(story: Story) -> None:
    numbers = {key: issue["number"] for key, issue in story.issues.items()}
    planned = {key: {numbers[before] for before in after} for key, after in AFTER.items()}
    assert story.blockers == {"": set(), **planned}
    added = [one for one in story.log if one["event"] == "blocked_by_added"]
    assert len(added) == sum(map(len, AFTER.values()))


def assert_none_begins_before_its_blockers_are_closed(story: Story) -> None:
    """The run comes before its ref, that before the branch, and the pull request after the branch."""
    for key, after in AFTER.items():
        opened = story.happened(story.pulls[key][0]["number"], "opened")
        for blocker in after:
            closed = story.happened(story.issues[blocker]["number"], "closed")
            assert closed["state_reason"] == "completed"
            assert (blocker, key, closed["at"] < story.run(key)[0]) == (blocker, key, True)
            assert closed["id"] < opened["id"]


def assert_within_limits(story: Story) -> None:
    runs = {key: story.run(key) for key in AFTER}
    for key, (began, ended) in runs.items():  # what the runs noted themselves is within what Orch says of them
        first, *_, last = story.noted.get(key) or [began, ended]
        assert (key, began <= first < last <= ended) == (key, True)
    most = max(sum(one <= began < end for one, end in runs.values()) for began, _ in runs.values())
    assert 1 < most <= AT_ONCE


def assert_no_path_is_worked_on_by_two(story: Story) -> None:
    """From the run on up to the merge."""
    held = {key: (story.run(key)[0], story.happened(story.pulls[key][0]["number"], "merged")["at"]) for key in PATHS}
    wanted = {key: take_paths(paths) for key, paths in PATHS.items()}
    pairs = [(one, other) for one, other in combinations(PATHS, 2) if conflicts(wanted[one], wanted[other])]
    assert pairs == [("b", "c"), ("b", "l"), ("c", "l"), ("f", "g")]
    for one, other in pairs:
        assert (one, other, held[one][1] < held[other][0] or held[other][1] < held[one][0]) == (one, other, True)


def assert_progress_never_goes_back(story: Story) -> None:
    seen = [
        sum(node.get("state", "open") != "open" for node in graph.get("nodes", ()))
        for graph in (record_in(body).get("graph", {}) for body in story.versions[""])
    ]
    assert all(one <= other for one, other in pairwise(seen))
    assert seen[-1] == len(AFTER)
    assert len(set(seen)) > 1


def assert_costs_add_up(story: Story) -> None:
    """Each version shows the sum of what it knows, and the last one that of what the children show."""
    shown = [shown_cost(body) for body in story.versions[""]]
    assert all(one <= other for one, other in pairwise(shown))
    for body, cost in zip(story.versions[""], shown, strict=True):
        nodes = record_in(body).get("graph", {}).get("nodes", ())
        assert cost == round(sum(Decimal(node.get("cost", 0)) for node in nodes), 2)
    assert all(story.cost(key) > 0 for key in PAID)
    assert shown[-1] == round(sum(story.cost(key) for key in AFTER), 2)


def shown_cost(body: str) -> Decimal:
    """Read the sum that people are shown."""
    found = re.search(r"^\| Cost so far \| (?:nothing spent|\$([\d.]+))", body.partition(RECORD)[0], re.MULTILINE)
    assert found is not None
    return Decimal(found[1] or 0)
