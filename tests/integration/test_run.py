"""One run with a real program as its agent, and a real git server: what it pushes, and how it says that it ended."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from app.domain.errors import Retryable
from app.domain.grants import Grant, Resumable, RunToken, TokenKind
from app.domain.jobs import Job, run_job
from app.domain.outcomes import Outcome, RunResult, Usage, total
from app.domain.policy import RunLimits
from app.domain.record import Unfinished
from app.ports import Runs
from app.redaction import Redaction
from infra.local.artifacts import DiskArtifacts
from runner.agents.base import AgentCommand, Assignment
from runner.agents.command import CommandAgent
from runner.equipment import AgentSetup, Equipment
from runner.looking import fingerprint
from runner.pulse import Pulse, Verdict
from runner.run import Run
from runner.sandbox import SandboxKind, find_sandbox
from runner.workspace import Mirror, Workspace
from tests.integration.core_stage import IDENTITY, NOW, TASK
from tests.integration.git_server import TOKEN, GitServer, git_server

SECRET = "canary-of-the-webhook"
JOB = run_job(TASK, 1)
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
    "limits": RunLimits(wall_seconds=2, silence_seconds=60),
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


class Writer(CommandAgent):
    """A program whose adapter wants a file in HOME."""

    def __init__(self, name: str) -> None:
        super().__init__(("true",))
        self._name = name

    def command(self, work: Assignment) -> AgentCommand:
        return replace(super().command(work), files={self._name: b""})


@dataclass(slots=True)
class Stage:
    """Where runs of one task follow one another."""

    server: GitServer
    root: Path
    clock: Hasty = field(default_factory=Hasty)
    tokens: Tokens = field(default_factory=Tokens)
    pulse: Pulse = field(default_factory=Pulse)

    async def run(self, script: str, **more: Any) -> RunResult:
        """Let a shell script do the task."""
        return await self.run_agent(CommandAgent(("sh", "-c", script)), **more)

    async def run_agent(self, agent: CommandAgent, **more: Any) -> RunResult:
        values = GRANT | {"clone_url": self.server.url} | more
        artifacts, sandbox = DiskArtifacts(self.root / "artifacts"), find_sandbox(SandboxKind.NONE)
        setups = {"command": AgentSetup(lambda: agent)}
        equipment = Equipment(setups, sandbox, None, artifacts, Redaction([SECRET]))
        runs = cast(Runs, self.tokens)
        return await Run(JOB, Grant(**values), self.pulse, runs, self.clock, self.root, equipment)()

    @property
    def workspace(self) -> Workspace:
        return Mirror.under(self.root, TASK.repository.full_name, TASK.repository.id).workspace(str(TASK.number))

    async def show(self, what: str) -> str:
        mirror = Mirror.under(self.root, TASK.repository.full_name, TASK.repository.id)
        return (await mirror.git("show", "--format=%P", "--no-patch", what)).decode().strip()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with git_server(tmp_path, {"README.md": b"hello\n"}) as server:
        yield Stage(server, tmp_path / "root")


async def unfinished(stage: Stage) -> Unfinished:
    """Leave something undone in a first run."""
    result = await stage.run("echo half > half.txt; sleep 60", run_id="r0")
    assert (result.outcome, result.head_sha is None) == (Outcome.TIMED_OUT, False)
    return Unfinished(run_id="r0", sha=result.head_sha or "")


async def test_i5_what_an_agent_says_is_told_without_secrets(stage: Stage) -> None:
    result = await stage.run(f"echo found {SECRET}; echo no: {SECRET} >&2; exit 1")
    assert (result.text, result.reason) == ("found [redacted]\n", "no: [redacted] (exit code 1)")


async def test_a_reason_without_end_is_cut(stage: Stage) -> None:
    result = await stage.run("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1")
    assert len(result.reason) == 2000


async def test_a_run_whose_agent_never_worked_used_nothing(stage: Stage) -> None:
    result = await stage.run("true", base_branch="nowhere")
    assert (result.outcome, result.usage) == (Outcome.INFRASTRUCTURE_FAILED, total([]))


async def test_i10_what_an_agent_used_that_does_not_tell_is_unknown(stage: Stage) -> None:
    assert (await stage.run("true")).usage == Usage()


async def test_an_outage_of_minutes_loses_nothing_that_an_agent_did(stage: Stage) -> None:
    stage.tokens.refusals = 20
    assert (await stage.run("echo done > done.txt")).outcome is Outcome.DELIVERED
    assert sum(stage.clock.waits) > 300


async def test_i12_what_cannot_be_pushed_is_told_and_not_paid_for_again(stage: Stage) -> None:
    stage.tokens.refusals = 99
    result = await stage.run("echo done > done.txt")
    assert (result.outcome, result.head_sha) == (Outcome.INFRASTRUCTURE_FAILED, None)
    assert result.reason == "what the agent did could not be pushed: down"


@pytest.mark.parametrize(("verdict", "left"), [(Verdict.CANCELLED, False), (Verdict.NOT_CURRENT, True)])
async def test_i3_a_run_that_is_told_to_stop_waits_no_longer_and_leaves_the_workspace_to_another(
    stage: Stage, verdict: Verdict, left: bool
) -> None:
    stage.tokens.refusals, stage.tokens.stops = 99, (stage.pulse, verdict)
    assert (await stage.run("echo done > done.txt")).outcome is Outcome.CANCELLED
    assert (len(stage.clock.waits), stage.workspace.path.exists()) == (1, left)


async def test_unfinished_work_goes_on_where_it_began(stage: Stage) -> None:
    result = await stage.run("cat half.txt > whole.txt", unfinished=await unfinished(stage))
    assert result.outcome is Outcome.DELIVERED
    assert await stage.show(result.head_sha or "") == await stage.server.head()


async def test_unfinished_work_is_left_aside_when_the_branch_has_moved(stage: Stage) -> None:
    left, moved = await unfinished(stage), await stage.server.head()
    other = (await stage.run("echo other > other.txt", run_id="r2")).head_sha
    result = await stage.run("test ! -e half.txt && echo new > new.txt", start_sha=other, unfinished=left)
    assert (result.outcome, await stage.show(result.head_sha or "")) == (Outcome.DELIVERED, other)
    assert other != moved


async def test_an_agent_is_told_of_unfinished_work_only_if_it_is_there(stage: Stage) -> None:
    gone = Unfinished(run_id="gone", sha="1" * 40)
    result = await stage.run("cat", unfinished=gone)
    assert "left unfinished" not in result.text
    assert "left unfinished" in (await stage.run("cat", unfinished=await unfinished(stage))).text


@pytest.mark.parametrize(
    "trap", ["ln -s $OUT .there", "ln -s $OUT/nowhere .there", "mkdir -p .there/file", "touch .there"]
)
async def test_i6_what_is_written_in_a_kept_home_stays_in_it(stage: Stage, tmp_path: Path, trap: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    await stage.run(f"OUT={out}; cd $HOME && {trap}; sleep 60")
    name = ".there/file" if trap.startswith("mkdir") else ".there/in/file"
    result = await stage.run_agent(Writer(name), session=Resumable(id="s1", usage=Usage()))
    assert (result.outcome, list(out.iterdir())) == (Outcome.AGENT_FAILED, [])
    assert "in the agent's HOME" in result.reason


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """Make folders in folders, too many for whatever goes down by recursion: pytest's own cleaning up does."""
    tree = tmp_path / "tree"
    tree.mkdir()
    here = os.open(tree, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    yield tree
    subprocess.run(["rm", "-rf", str(tree)], check=True)


def test_a_tree_as_deep_as_an_agent_likes_is_looked_at(deep: Path) -> None:
    before = fingerprint(deep)
    (deep / "new").touch()
    assert fingerprint(deep) != before
