"""A runner that lets one agent print 200 MB of JSON lines, and prints what that cost; a process of its own."""

import asyncio
import json
import random
import resource
import sys
import time
from pathlib import Path

from app.domain.policy import RunLimits
from app.redaction import Redaction
from infra.local.artifacts import DiskArtifacts
from infra.local.clock import SystemClock
from runner.agents.base import Assignment, Prompt
from runner.agents.claude import ClaudeAgent
from runner.driving import Drive, Leave
from runner.meter import Meter
from runner.supervision import Command, Limits, supervise
from runner.transcript import Transcript

MEGABYTE = 1_000_000
SIZE = 200 * MEGABYTE
LINE = 900
SHORT_RUNS = 20
NO_LIMITS = RunLimits(tool_calls=None, turns=None, tokens=None, cost=None, stall_calls=1 << 30)


def write_lines(path: Path) -> None:
    """Write tool calls and their results as Claude Code prints them, each with an output of its own."""
    chance = random.Random(7)
    words = [f"{chance.getrandbits(40):x}" for _ in range(5000)]
    with path.open("w") as file:
        number = 0
        while file.tell() < SIZE:
            number += 1
            said = " ".join(chance.choices(words, k=LINE // 11))
            use = {"type": "tool_use", "id": f"t{number}", "name": "Bash", "input": {"command": f"step {number}"}}
            result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": said, "is_error": False}
            for kind, content in (("assistant", use), ("user", result)):
                line = {"type": kind, "message": {"role": kind, "content": [content]}, "session_id": "s"}
                file.write(json.dumps(line) + "\n")


async def drive(argv: tuple[str, ...], folder: Path) -> None:
    """Run a program as if it were Claude Code, with all that a run has but the network."""
    agent = ClaudeAgent("claude")
    agent.command(Assignment(Prompt("", ""), folder, folder, folder))
    command = Command(argv, {"PATH": "/usr/bin:/bin"}, folder, folder / "lock", Limits(600, 600, output_bytes=1 << 30))
    artifacts = DiskArtifacts(folder / "artifacts")
    async with Transcript.open(artifacts, SystemClock(), "bench", Redaction(["a-secret-of-the-bench"])) as transcript:
        run = Drive(
            agent=agent,
            command=command,
            meter=Meter(NO_LIMITS, lambda: ""),
            transcript=transcript,
            judge=lambda asked: Leave(True, ""),
            priced=lambda report, model: report,
        )
        await run()


async def short_runs(folder: Path) -> tuple[float, float]:
    """Return the seconds of a program that does nothing: by itself, and supervised."""
    begin = time.perf_counter()
    for _ in range(SHORT_RUNS):
        process = await asyncio.create_subprocess_exec("/bin/true")
        await process.wait()
    middle = time.perf_counter()
    for _ in range(SHORT_RUNS):
        command = Command(("/bin/true",), {}, folder, folder / "lock", Limits(60, 60))
        async with supervise(command) as supervised:
            await supervised.wait()
    end = time.perf_counter()
    return (middle - begin) / SHORT_RUNS, (end - middle) / SHORT_RUNS


def used(who: int) -> float:
    found = resource.getrusage(who)
    return found.ru_utime + found.ru_stime


def main(folder: Path) -> None:
    lines = folder / "lines.jsonl"
    write_lines(lines)
    bare, supervised = asyncio.run(short_runs(folder))
    before = used(resource.RUSAGE_SELF) + used(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    asyncio.run(drive(("cat", str(lines)), folder))
    wall = time.perf_counter() - begin
    cpu = used(resource.RUSAGE_SELF) + used(resource.RUSAGE_CHILDREN) - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE
    found = {"bare": bare, "supervised": supervised, "cpu": cpu, "wall": wall, "peak": peak}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
