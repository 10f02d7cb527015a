"""One run with a real program as its agent, and a real git server: what it pushes, and how it says that it ended."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.domain.grants import Resumable
from app.domain.outcomes import Outcome, Usage, total
from app.domain.record import Unfinished
from runner.agents.base import AgentCommand, Assignment
from runner.agents.command import CommandAgent
from runner.looking import fingerprint
from runner.pulse import Verdict
from tests.integration.git_server import git_server
from tests.integration.run_stage import BRIEF, SECRET, Stage


class Writer(CommandAgent):
    """A program whose adapter wants a file in HOME."""

    def __init__(self, name: str) -> None:
        super().__init__(("true",))
        self._name = name

    def command(self, work: Assignment) -> AgentCommand:
        return replace(super().command(work), files={self._name: b""})


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with git_server(tmp_path, {"README.md": b"hello\n"}) as server:
        yield Stage(server, tmp_path / "root")


async def unfinished(stage: Stage) -> Unfinished:
    """Leave something undone in a first run."""
    result = await stage.run("echo half > half.txt; sleep 60", run_id="r0", limits=BRIEF)
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
    await stage.run(f"OUT={out}; cd $HOME && {trap}; sleep 60", limits=BRIEF)
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
