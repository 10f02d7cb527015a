"""Processes that are measured: started, read from, and always ended."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

TREE = Path(__file__).parents[2]
SAFETY = 300.0
"""Seconds after which a process that says nothing counts as hung."""


def python(module: str) -> list[str]:
    """Return the command that runs a module of this tree."""
    return [sys.executable, "-m", module]


@dataclass(frozen=True, slots=True)
class Running:
    """A process that runs."""

    process: Process
    log: Path

    def cpu_seconds(self) -> float:
        """Add up the user and system time of all its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """Let what is started here run on one CPU only: children have the affinity of who starts them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if cpu is None else {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@asynccontextmanager
async def running(
    argv: Sequence[str], log: Path, cpu: int | None = None, env: Mapping[str, str] | None = None
) -> AsyncIterator[Running]:
    """Start a process whose output goes to a file, and kill it at the end."""
    with log.open("ab") as output, pinned(cpu):
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=DEVNULL, stdout=output, stderr=output, cwd=TREE, env={**os.environ, **(env or {})}
        )
    try:
        yield Running(process, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def listening(port: int, running: Running) -> None:
    """Wait until somebody listens on the port; raises RuntimeError with the log if the process ends before."""
    async with asyncio.timeout(SAFETY):
        while running.process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
    raise RuntimeError(f"the process ended: {running.log.read_text()[-2000:]}")


async def output_of(argv: Sequence[str], cpu: int | None = None) -> str:
    """Run a command to its end and return what it prints; raises RuntimeError if it fails."""
    with pinned(cpu):
        process = await asyncio.create_subprocess_exec(*argv, stdout=PIPE, cwd=TREE)
    try:
        stdout, _ = await asyncio.wait_for(process.communicate(), SAFETY)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"{argv} ended with {process.returncode}")
    return stdout.decode()
