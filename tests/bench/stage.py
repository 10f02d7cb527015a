"""A hub and Orch with the settings of everyday use, and the plain git work that a task cannot do without."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from runner.agents.base import Assignment, Prompt
from runner.agents.script import ScriptAgent
from tests.bench.processes import output_of
from tests.e2e.processes import launch
from tests.e2e.world import World, new_world

EVERYDAY: dict[str, Any] = {
    "JOB_LEASE": 30, "RUN_LEASE": 30, "EVENT_LEASE": 60, "BEAT": 2.5, "SETTLE": 2, "CLAIM_AFTER": 60, "LIST_LAG": 5,
    "RETRY_BASE": 5, "REDELIVER_EVERY": 300, "WRITE_GAP": 0,
}  # fmt: skip


@asynccontextmanager
async def new_stage(scratch: Path) -> AsyncIterator[World]:
    """Start a hub in a new folder; Orch is started by the part, with `EVERYDAY`."""
    async with new_world(Path(mkdtemp(dir=scratch)), launch) as world:
        yield world


@dataclass(frozen=True, slots=True)
class Marker:
    """A file into which an agent writes when it runs."""

    file: Path

    @property
    def script(self) -> str:
        """Return shell that says when it runs, and changes a file of the repository."""
        return (
            f'printf %s "$EPOCHREALTIME" > {self.file}.new\nmv {self.file}.new {self.file}\nls > {self.file.name}.txt'
        )

    @property
    def body(self) -> str:
        return f"Please run this.\n\n```bash\n{self.script}\n```\n"

    async def seen(self) -> float:
        """Wait until the agent ran, and return when that was."""
        while not self.file.exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.005)
        return float(self.file.read_text().replace(",", "."))


@dataclass(frozen=True, slots=True)
class PlainGit:
    """The same git work, and the same agent, by hand: a bare clone that is kept, and a worktree per task."""

    url: str
    folder: Path

    @property
    def _git(self) -> list[str]:
        return ["git", "-C", str(self.folder / "mirror.git")]

    async def set_up(self) -> None:
        await output_of(["git", "clone", "--quiet", "--bare", self.url, str(self.folder / "mirror.git")])

    async def start_agent(self, name: str, body: str) -> asyncio.subprocess.Process:
        """Fetch, make the worktree, start the agent in it."""
        tree = self.folder / name
        await output_of([*self._git, "fetch", "--quiet", "--prune", self.url, "+refs/heads/*:refs/remotes/origin/*"])
        await output_of([*self._git, "worktree", "add", "--quiet", "--detach", str(tree), "refs/remotes/origin/main"])
        command = ScriptAgent().command(Assignment(Prompt(body, body), tree, tree, self.folder))
        process = await asyncio.create_subprocess_exec(
            *command.argv,
            cwd=tree,
            env=dict(command.env),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        assert process.stdin is not None
        process.stdin.write(command.stdin or b"")
        process.stdin.close()
        return process


async def grow(world: World, url: str, files: int, scratch: Path) -> None:
    """Push a commit with so many files, of 4 KB each, to the default branch."""
    clone = Path(mkdtemp(dir=scratch))
    git = ["git", "-C", str(clone), "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    await output_of(["git", "clone", "--quiet", url, str(clone)])
    _write_files(clone, files)
    await output_of([*git, "add", "--all"])
    await output_of([*git, "commit", "--quiet", "--message", f"{files} files"])
    await output_of([*git, "push", "--quiet", with_token(world, url), "HEAD:main"])
    await world.until_idle()


def _write_files(folder: Path, files: int) -> None:
    chance = random.Random(files)
    for number in range(files):
        file = folder / f"part-{number % 50}" / f"file-{number}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(chance.randbytes(2000).hex())


def with_token(world: World, url: str) -> str:
    """Put a person's credential into an address."""
    return url.replace("://", f"://x-access-token:{world.about['tokens']['writer']}@")


async def first_run(world: World) -> None:
    """Do one task to its end, so that what is only done once is done."""
    number = await world.open_issue()
    await world.until_status(number, "in_review")
    await world.until_idle()


async def logged_at(world: World, method: str, ending: str, after: int = 0) -> float:
    """Return when the hub answered the first request of that kind, not counting so many at the beginning of its log."""
    entries: list[dict[str, Any]] = (await world.call("GET", "/_hub/requests"))[after:]
    found: float = min(entry["at"] for entry in entries if entry["method"] == method and entry["path"].endswith(ending))
    return found
