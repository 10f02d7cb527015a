"""What `orch serve` keeps in memory when it has nothing to do, and with eight runs."""

from collections.abc import Sequence
from pathlib import Path

from tests.bench.figures import Bench, Figure, at_most
from tests.bench.stage import EVERYDAY, first_run, new_stage

RUNS = 8
MOST_IDLE = 80
MEGABYTE = 1e6
SLEEPER = "```bash\nsleep 600\n```\n"


async def measure(bench: Bench) -> Sequence[Figure]:
    """Start Orch anew for each value."""
    found = [await _once(bench) for _ in range(bench.runs)]
    fresh, idle, idle_shared, busy, children = ([each[index] for each in found] for index in range(5))
    return [
        Figure("orch serve idle, after its start, RSS", fresh, "MB", at_most(MOST_IDLE)),
        Figure("orch serve idle, after a task, RSS", idle, "MB", at_most(MOST_IDLE)),
        Figure("orch serve idle, after a task, PSS", idle_shared, "MB"),
        Figure(f"orch serve with {RUNS} runs, RSS", busy, "MB"),
        Figure(f"supervisors and agents of {RUNS} runs, PSS", children, "MB"),
    ]


async def _once(bench: Bench) -> tuple[float, float, float, float, float]:
    async with new_stage(bench.scratch) as world:
        child = await world.start_orch(**EVERYDAY, SLOTS=RUNS, MAX_PARALLEL=RUNS)
        pid = child.pid
        fresh = _megabytes(pid, "Rss")
        await first_run(world)
        idle, idle_shared = _megabytes(pid, "Rss"), _megabytes(pid, "Pss")
        for _ in range(RUNS):
            await world.open_issue(body=SLEEPER)
        await world.until("eight agents", lambda: _sleeps(pid))
        busy = _megabytes(pid, "Rss")
        return fresh, idle, idle_shared, busy, sum(_megabytes(each, "Pss") for each in _descendants(pid))


async def _sleeps(pid: int) -> bool:
    return _names(pid).count("sleep") == RUNS


def _names(pid: int) -> list[str]:
    return [_read(Path(f"/proc/{each}/comm")).strip() for each in _descendants(pid)]


def _megabytes(pid: int, field: str) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    raise LookupError(field)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(children).split():
            found += [int(child), *_descendants(int(child))]
    return found


def _read(file: Path) -> str:
    """Return what the file says, or nothing if its process has ended meanwhile."""
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
