"""Prove a sandbox by trying to get out of it, and by looking from outside at what came of that."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.sandbox import attempts
from runner.sandbox.base import INTERPRETER, Confinement, Network, Sandbox, SandboxKind
from runner.supervision import Command, ExitReason, Limits, Stream, supervise

PROGRAM = Path(attempts.__file__).resolve()
DOCKERS = (
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
)
LIMITS = Limits(wall_seconds=30, silence_seconds=20)
ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8"}
SERVER = "reach a server on this machine"
SIGNAL = "signal the runner"
WRITES = {"write outside its own places": "outside", "write to the mirror": "mirror"}
IDLE = ("-I", "-S", "-c", "import sys; sys.stdin.read()")


@dataclass(frozen=True, slots=True)
class Escape:
    """One way out that was tried; `required`: this sandbox promises that it is shut."""

    name: str
    prevented: bool
    required: bool
    detail: str


async def break_out(
    sandbox: Sandbox, state: Path, network: Network = Network.FULL, private: Sequence[Path] = ()
) -> tuple[Escape, ...]:
    """Try to get out as a run's agent would, and return what came of each way.

    `state` is an existing state directory, in which a mirror and two workspaces are made and removed again; `private`
    are more files that no agent may read, such as keys.
    """
    async with _stage(state, private) as stage:
        said = await _try_all(sandbox, stage, network)
        promised = [name for name in attempts.ways(stage.targets()) if name != SERVER or network is not Network.FULL]
        if sandbox.kind is SandboxKind.NONE:
            promised = []
        return tuple(_judge(name, said, stage, name in promised) for name in attempts.ways(stage.targets()))


@dataclass(slots=True)
class _Stage:
    state: Path
    mirror: Path
    key: Path
    private: tuple[Path, ...]
    victim: subprocess.Popen[bytes]
    traced: subprocess.Popen[bytes]
    port: int = 0
    reached: bool = False

    @property
    def trace(self) -> str:
        """Name the files that show from outside where the agent could write."""
        return f".orch-{self.mirror.name}"

    @property
    def own(self) -> tuple[Path, ...]:
        return tuple(self.mirror / "tasks" / "own" / name for name in ("tree", "home", "tmp"))

    @property
    def repository(self) -> Path:
        return self.mirror / "repo.git"

    @property
    def other(self) -> Path:
        return self.mirror / "tasks" / "other" / "tree"

    def confinement(self, network: Network) -> Confinement:
        tree, home, tmp = self.own
        return Confinement(tree, home, tmp, self.repository, private=(self.state, *self.private), network=network)

    def targets(self) -> dict[str, Any]:
        """Name what the program tries its ways out on."""
        files = [place for place in self.state.iterdir() if place.is_file() and place != self.key]
        outside = {"/", "/etc", "/usr", str(Path.home()), *map(str, (self.state, self.mirror, self.other))}
        return {
            "secrets": [str(place) for place in (self.key, *self.private, *sorted(files))],
            "workspaces": [str(self.other)],
            "outside": [*sorted(outside), str(self.own[0].parent)],
            "trace": self.trace,
            "mirror": [str(self.repository), str(self.repository / "objects")],
            "victim": self.victim.pid,
            "traced": self.traced.pid,
            "dockers": DOCKERS,
            "port": self.port,
            "mountpoint": str(self.own[2]),
        }


@asynccontextmanager
async def _stage(state: Path, private: Sequence[Path]) -> AsyncIterator[_Stage]:
    root = state / "repositories"
    root.mkdir(exist_ok=True)
    mirror = Path(tempfile.mkdtemp(prefix="doctor-", dir=root))
    key = state / f"{mirror.name}.key"
    victim, traced = (_start_victim() for _ in range(2))
    stage = _Stage(state, mirror, key, tuple(private), victim, traced)

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stage.reached = True
        writer.close()

    try:
        key.write_text("a key that no agent may read\n")
        for place in (*stage.own, stage.other, stage.repository / "objects"):
            place.mkdir(parents=True)
        for place in (*stage.own, stage.other):
            place.chmod(0o700)
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            stage.port = server.sockets[0].getsockname()[1]
            yield stage
    finally:
        for process in (victim, traced):
            process.kill()
            process.communicate()
        key.unlink(missing_ok=True)
        shutil.rmtree(mirror, ignore_errors=True)


def _start_victim() -> subprocess.Popen[bytes]:
    """Start what stands for the runner: a process of the same user, which may be killed."""
    return subprocess.Popen(
        [sys.executable, *IDLE], stdin=subprocess.PIPE, env={**ENVIRONMENT, "SECRET": "nobody may read this"}
    )


async def _try_all(sandbox: Sandbox, stage: _Stage, network: Network) -> dict[str, dict[str, str]]:
    """Return what the program says of each way; where it says nothing, `""` holds why."""
    argv = (_python(sandbox.kind), "-I", "-S", "-", json.dumps(stage.targets()))
    said: dict[str, dict[str, str]] = {}
    errors = []
    async with sandbox.confine(argv, ENVIRONMENT, stage.confinement(network)) as confined:
        lock = stage.mirror / "lock"
        command = Command(
            confined.argv,
            confined.env,
            stage.own[0],
            lock,
            LIMITS,
            PROGRAM.read_bytes(),
            sandboxed=confined.sandboxed,
        )
        async with supervise(command) as run:
            async for line in run.lines():
                if line.stream is Stream.STDOUT:
                    told = json.loads(line.data)
                    said[told["name"]] = told
                else:
                    errors.append(line.text)
            ended = await run.wait()
    if ended.reason is not ExitReason.EXITED or ended.code != 0:
        errors.append(f"it ended with {ended.reason.value} {ended.code or ended.signal or ''}".rstrip())
    return said | {"": {"why": "; ".join(errors[-3:])}}


def _python(kind: SandboxKind) -> str:
    """Return an interpreter that the agent's user can read."""
    others = shutil.which("python3", path=os.defpath)
    ways = Path(INTERPRETER).parents
    if kind is SandboxKind.UID and others and not all(folder.stat().st_mode & 0o001 for folder in ways):
        return others
    return INTERPRETER


def _judge(name: str, said: dict[str, dict[str, str]], stage: _Stage, required: bool) -> Escape:
    told = said.get(name)
    if told is None:
        return Escape(name, False, required, f"it could not be tried: {said['']['why']}")
    seen = _seen(name, stage)
    if name in WRITES:
        return Escape(name, not seen, required, seen or told["why"] or "what it wrote is not seen outside")
    return Escape(name, not (told["got"] or seen), required, told["got"] or seen or told["why"])


def _seen(name: str, stage: _Stage) -> str:
    """Say what is to be seen from outside of a way that was tried."""
    if name in WRITES:
        found = [folder for folder in stage.targets()[WRITES[name]] if os.path.lexists(f"{folder}/{stage.trace}")]
        for folder in found:
            (Path(folder) / stage.trace).unlink()
        return f"wrote into {', '.join(found)}" if found else ""
    if name == SERVER and stage.reached:
        return "a server heard of it"
    if name == SIGNAL and stage.victim.poll() is not None:
        return "the process has ended"
    return ""
