"""Hubs and Orchs that are forked from a zygote."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

TREE = Path(__file__).parents[2]
END_SECONDS = 120
"""Until a process that was asked to end counts as one that does not."""


@dataclass(frozen=True, slots=True)
class Forked:
    """A forked process, which leads a group of its own.

    As long as `ended` is not there, the process id is its own; afterwards it may be a stranger's.
    """

    pid: int
    ended: Path

    @property
    def returncode(self) -> int | None:
        """How it ended, as `subprocess` has it; None while it runs."""
        return int(self.ended.read_text()) if self.ended.exists() else None

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def wait(self) -> int:
        """Wait until it has ended, and return how."""
        if (status := self.returncode) is not None:
            return status
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)
            gone = asyncio.Event()
            loop = asyncio.get_running_loop()
            loop.add_reader(descriptor, gone.set)
            try:
                await gone.wait()
            finally:
                loop.remove_reader(descriptor)
                os.close(descriptor)
        while (status := self.returncode) is None:  # noqa: ASYNC110 - the zygote writes it a moment later
            await asyncio.sleep(0.002)
        return status

    async def kill(self) -> None:
        """End it as `kill -9` does, and nothing but it."""
        self.send_signal(signal.SIGKILL)
        await self.wait()

    async def stop(self) -> int:
        """Ask it to stop, and return its exit status."""
        self.send_signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(self.wait(), END_SECONDS)
        except TimeoutError:
            await self.kill()
            raise


@dataclass(frozen=True, slots=True)
class Zygote:
    """The process that forks."""

    process: subprocess.Popen[str]
    folder: Path
    numbers: Iterator[int] = field(default_factory=count)

    def fork(self, argv: list[str], env: Mapping[str, str], log: Path, **more: Any) -> Forked:
        """Start `orch` with these arguments in the folder of its log."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        ended = self.folder / str(next(self.numbers))
        log.touch()
        env = {"PATH": os.environ["PATH"], "HOME": str(log.parent), **env}
        order = {"argv": argv, "env": env, "log": str(log), "cwd": str(log.parent), "ended": str(ended), **more}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return Forked(int(self.process.stdout.readline()), ended)

    async def launch(self, argv: list[str], env: Mapping[str, str], log: Path) -> Forked:
        """Do the same, as a `World` asks for it."""
        return self.fork(argv, env, log)


@contextmanager
def new_zygote() -> Iterator[Zygote]:
    argv = [sys.executable, "-m", "tests.e2e.zygote"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=TREE,
            env={"PATH": os.environ["PATH"]},
        ) as process,
    ):
        yield Zygote(process, Path(folder))
