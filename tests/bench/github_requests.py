"""How many requests to GitHub one task costs, from the label to the merge."""

import re
from collections.abc import Sequence

from tests.bench.figures import Bench, Figure, at_most
from tests.bench.stage import EVERYDAY, new_stage
from tests.e2e.test_path import MOST_BEFORE_START, MOST_REQUESTS
from tests.e2e.world import World

CREATES = re.compile(r"/(issues|pulls|comments|reviews)$")


async def measure(bench: Bench) -> Sequence[Figure]:
    """Count what the hub was asked; the first task pays for tokens that later ones share for an hour.

    The first POST is the token that a run fetches with, or, where an earlier one is still good, what shows its start.
    """
    totals: list[float] = []
    creating: list[float] = []
    before_start: list[float] = []
    async with new_stage(bench.scratch) as world:
        await world.start_orch(**EVERYDAY)
        for count in range(bench.runs):
            await world.until_idle()
            before = len(await world.requests())
            await _do_task(world, count)
            asked = (await world.requests())[before:]
            totals.append(len(asked))
            creating.append(sum(bool(entry["method"] == "POST" and CREATES.search(entry["path"])) for entry in asked))
            before_start.append(1 + next(i for i, entry in enumerate(asked) if entry["method"] == "POST"))
    return [
        Figure("GitHub requests per task", totals, "requests", at_most(MOST_REQUESTS)),
        Figure("GitHub requests per task that create content", creating, "requests"),
        Figure("GitHub requests before the agent's start", before_start, "requests", at_most(MOST_BEFORE_START)),
    ]


async def _do_task(world: World, count: int) -> None:
    """Let a task be done, and merge it."""
    number = await world.open_issue(body=f"```bash\necho {count} > file-{count}.txt\n```\n")
    await world.until_status(number, "in_review")
    [pull] = [pull for pull in await world.pulls() if pull["state"] == "open"]
    await world.merge(pull["number"])
    await world.until_status(number, "done")
    await world.until_idle()
