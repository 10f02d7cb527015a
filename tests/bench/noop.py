"""A task that changes one file, beside a shell script that does the same git work."""

import json
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp

from tests.bench.figures import Bench, Figure, at_most
from tests.bench.processes import output_of
from tests.bench.stage import EVERYDAY, first_run, grow, logged_at, new_stage, with_token
from tests.e2e.world import World

SCRIPT = """
set -e
git -C mirror.git fetch --quiet --prune "$1" '+refs/heads/*:refs/remotes/origin/*'
git -C mirror.git worktree add --quiet --detach "../$2" refs/remotes/origin/main
cd "$2"
bash -ec "echo $2 > hello.txt"
git add --all
git -c user.name=bench -c user.email=bench@localhost commit --quiet --message "$2"
git push --quiet "$3" "HEAD:refs/heads/by-hand-$2"
"""
MOST = 1.5
SIZES = (1, 2_000)


async def measure(bench: Bench) -> Sequence[Figure]:
    """Do it in a repository of nearly nothing, and in one of an ordinary size."""
    return [figure for files in SIZES for figure in await _in_repository(bench, files)]


async def _in_repository(bench: Bench, files: int) -> list[Figure]:
    """Do tasks one after another, and the script before each."""
    async with new_stage(bench.scratch) as world:
        await world.start_orch(LOG_JSON="true", **EVERYDAY)
        folder = Path(mkdtemp(dir=bench.scratch))
        url = f"{world.about['web_url']}/{world.repository}.git"
        if files > 1:
            await grow(world, url, files, bench.scratch)
        await output_of(["git", "clone", "--quiet", "--bare", url, str(folder / "mirror.git")])
        await first_run(world)
        by_hand, by_orch, by_run = [], [], []
        for count in range(bench.runs):
            by_hand.append(await _by_hand(world, folder, url, f"task-{count}"))
            whole, run = await _by_orch(world, f"task-{count}")
            by_orch.append(whole)
            by_run.append(run)
    size = f"{files:,} file{'s' if files > 1 else ''}"
    target = at_most(MOST) if files > 1 else None
    return [
        Figure(f"script: fetch, worktree, commit, push; {size}", by_hand, "ms"),
        Figure(f"no-op task, run began -> run ended; {size}", by_run, "ms"),
        Figure(f"no-op task, label -> pull request; {size}", by_orch, "ms"),
        Figure(f"no-op run / script; {size}", _ratios(by_run, by_hand), "x"),
        Figure(f"no-op task / script; {size}", _ratios(by_orch, by_hand), "x", target),
    ]


async def _by_hand(world: World, folder: Path, url: str, name: str) -> float:
    push_url = with_token(world, url)
    begin = time.perf_counter()
    await output_of(["env", "-C", str(folder), "bash", "-c", SCRIPT, "script", url, name, push_url])
    return (time.perf_counter() - begin) * 1000


async def _by_orch(world: World, name: str) -> tuple[float, float]:
    """Return how long it took from the label to the pull request, and the run's part of that."""
    number = await world.open_issue(title=name, body=f"```bash\necho {name} > hello.txt\n```\n", label=None)
    await world.until_idle()
    before = len(await world.call("GET", "/_hub/requests"))
    await world.label(number, "orch")
    await world.until_status(number, "in_review")
    await world.until_idle()
    labelled = await logged_at(world, "POST", f"/issues/{number}/labels", before)
    opened = await logged_at(world, "POST", "/pulls", before)
    return (opened - labelled) * 1000, _last_run(world.log)


def _last_run(log: Path) -> float:
    """Return how long the last run in the log took, in milliseconds."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    began, ended = (
        max(datetime.fromisoformat(line["timestamp"]) for line in lines if line["event"] == event)
        for event in ("run began", "run ended")
    )
    return (ended - began).total_seconds() * 1000


def _ratios(values: Sequence[float], others: Sequence[float]) -> list[float]:
    return [value / other for value, other in zip(values, others, strict=True)]
