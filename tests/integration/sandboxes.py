"""Confined agents for tests: where they work, and what came of them."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.domain.errors import Permanent
from runner.sandbox import Confinement, Sandbox, SandboxKind, find_sandbox
from runner.supervision import Command, Exit, Limits, Stream, supervise

ENV = {"PATH": "/usr/bin:/bin"}
CALM = Limits(wall_seconds=60, silence_seconds=60, grace_seconds=30)
KINDS = (SandboxKind.BUBBLEWRAP, SandboxKind.UID)


def sandbox_or_skip(kind: SandboxKind) -> Sandbox:
    """Return a sandbox that works here, or skip the test with the reason."""
    try:
        return find_sandbox(kind)
    except Permanent as error:
        pytest.skip(str(error))


@dataclass(frozen=True, slots=True)
class Ground:
    """A state directory with a mirror and a workspace in it, none of them made by git."""

    state: Path
    project: str = "project"

    @property
    def mirror(self) -> Path:
        return self.state / "repositories" / self.project / "repo.git"

    def task(self, name: str = "one") -> Path:
        return self.mirror.parent / "tasks" / name

    def confinement(self, name: str = "one") -> Confinement:
        """Make the places of a task and confine an agent to them."""
        tree, home, tmp = (self.task(name) / each for each in ("tree", "home", "tmp"))
        for place in (tree, home, tmp):
            place.mkdir(parents=True, mode=0o700)
        self.mirror.mkdir(exist_ok=True)
        return Confinement(tree, home, tmp, self.mirror, private=(self.state,))


@contextmanager
def new_ground() -> Iterator[Ground]:
    """Make one that users of their own can come to, which pytest's own directories do not allow."""
    with tempfile.TemporaryDirectory(prefix="orch-ground-") as folder:
        Path(folder).chmod(0o711)
        state = Path(folder) / "state"
        state.mkdir()
        yield Ground(state)


@dataclass(slots=True)
class Done:
    """What an agent printed, by stream, and how it ended."""

    ended: Exit
    out: list[str]
    err: list[str]


async def run(
    sandbox: Sandbox,
    confinement: Confinement,
    argv: Sequence[str],
    env: Mapping[str, str] = ENV,
    stdin: bytes | None = None,
) -> Done:
    """Let an agent run to its end."""
    out: list[str] = []
    err: list[str] = []
    async with sandbox.confine(argv, env, confinement) as confined:
        command = Command(
            confined.argv,
            confined.env,
            confinement.workspace,
            confinement.workspace.parent / "lock",
            CALM,
            stdin,
            sandboxed=confined.sandboxed,
        )
        async with supervise(command) as supervised:
            async for line in supervised.lines():
                (out if line.stream is Stream.STDOUT else err).append(line.text)
            return Done(await supervised.wait(), out, err)


async def shell(sandbox: Sandbox, confinement: Confinement, script: str) -> Done:
    return await run(sandbox, confinement, ("sh", "-c", script))


def is_root() -> bool:
    return os.geteuid() == 0
