"""Runs with real programs as their agents, and a real git server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from app.domain.errors import Retryable
from app.domain.grants import Grant, RunToken, TokenKind
from app.domain.jobs import Job, run_job
from app.domain.outcomes import RunResult
from app.domain.policy import RunLimits
from app.ports import Runs
from app.redaction import Redaction
from infra.local.artifacts import DiskArtifacts
from runner.agents.base import Agent
from runner.agents.command import CommandAgent
from runner.equipment import AgentSetup, Equipment
from runner.gateway.server import Gateway
from runner.pulse import Pulse, Verdict
from runner.run import Run
from runner.sandbox import SandboxKind, find_sandbox
from runner.workspace import Mirror, Workspace
from tests.integration.core_stage import IDENTITY, NOW, TASK
from tests.integration.git_server import TOKEN, WRITER, GitServer

SECRET = "canary-of-the-webhook"
JOB = run_job(TASK, 1)
LONG = RunLimits(wall_seconds=240, silence_seconds=240)
BRIEF = RunLimits(wall_seconds=2, silence_seconds=60)
"""For a run that is to come to the end of its time."""
GRANT: dict[str, Any] = {
    "run_id": "r1",
    "base_branch": "main",
    "start_sha": None,
    "title": "Do it",
    "body": "please",
    "agent": "command",
    "model": None,
    "author": IDENTITY,
    "requested_by": "writer",
    "requested_by_id": 11,
    "limits": LONG,
    "profile": "trusted",
}


class Hasty:
    """A clock on which waiting takes no time; `waits` are what was waited for."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


@dataclass(slots=True)
class Tokens:
    """The port as far as a run needs it; who wants to push is told to stop, or refused so many times."""

    refusals: int = 0
    stops: tuple[Pulse, Verdict] | None = None

    async def token(self, run_id: str, job: Job, kind: TokenKind) -> RunToken:
        if kind is TokenKind.PUSH and self.refusals:
            self.refusals -= 1
            if self.stops:
                self.stops[0].stop(self.stops[1])
            raise Retryable("down")
        return RunToken(value=TOKEN, expires_at=NOW)

    async def revoke(self, run_id: str, job: Job, token: RunToken) -> None:
        return


@dataclass(slots=True)
class Stage:
    """Where runs of one task follow one another."""

    server: GitServer
    root: Path
    clock: Hasty = field(default_factory=Hasty)
    tokens: Tokens = field(default_factory=Tokens)
    pulse: Pulse = field(default_factory=Pulse)
    gateway: Gateway | None = None

    async def run(self, script: str, **more: Any) -> RunResult:
        """Let a shell script do the task."""
        return await self.run_agent(CommandAgent(("sh", "-c", script)), **more)

    async def run_agent(self, agent: Agent, /, **more: Any) -> RunResult:
        return await self.run_setup(AgentSetup(lambda: agent), **more)

    async def run_setup(self, setup: AgentSetup, **more: Any) -> RunResult:
        """Let an agent of any kind do the task."""
        values = GRANT | {"clone_url": self.server.url} | more
        artifacts, sandbox = DiskArtifacts(self.root / "artifacts"), find_sandbox(SandboxKind.NONE)
        equipment = Equipment({"command": setup}, sandbox, self.gateway, artifacts, Redaction([SECRET]))
        runs = cast(Runs, self.tokens)
        return await Run(JOB, Grant(**values), self.pulse, runs, self.clock, self.root, equipment)()

    @property
    def workspace(self) -> Workspace:
        return Mirror.under(self.root, TASK.repository.full_name, TASK.repository.id).workspace(str(TASK.number))

    async def show(self, what: str) -> str:
        mirror = Mirror.under(self.root, TASK.repository.full_name, TASK.repository.id)
        return (await mirror.git("show", "--format=%P", "--no-patch", what)).decode().strip()

    async def head_of(self, branch: str) -> str:
        sha = await self.server.repository.resolve(f"refs/heads/{branch}")
        assert sha is not None
        return sha

    async def branch(self, name: str, files: Mapping[str, bytes]) -> str:
        """Commit files to a branch of the remote, which is made from `main` if need be; return its head."""
        repository = self.server.repository
        if await repository.resolve(f"refs/heads/{name}") is None:
            await repository.create_ref(f"refs/heads/{name}", await self.server.head())
        for path, content in files.items():
            await repository.write_file(name, path, content, f"Write {path}", WRITER)
        return await self.head_of(name)

    async def file(self, result: RunResult, path: str) -> bytes | None:
        """Read a file of what a run pushed."""
        assert result.head_sha is not None
        return await self.server.repository.read_file(result.head_sha, path)
