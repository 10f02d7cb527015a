"""A repository of somebody on this machine, and commands of `orch` run for it as that person would."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.processes import ORCH
from tests.e2e.world import PATIENCE

SERVED = "is served at"


@dataclass(slots=True)
class Command:
    """A command that runs in a terminal of its own; `said` is what it printed, on both channels."""

    process: asyncio.subprocess.Process
    said: list[str] = field(default_factory=list)
    reading: asyncio.Task[None] | None = None

    async def until_said(self, text: str) -> str:
        """Wait until it prints a line with the text, and return that."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = next((line for line in self.said if text in line), None)
                if found is not None:
                    return found
                assert self.process.returncode is None, f"it ended without {text!r}: {self.said}"
                await asyncio.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end, and return its exit status."""
        status = await asyncio.wait_for(self.process.wait(), PATIENCE)
        assert self.reading is not None
        await self.reading
        return status

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.ended()


@dataclass(slots=True)
class Desk:
    """A person with a repository `widgets` on their machine."""

    home: Path
    session: aiohttp.ClientSession
    commands: list[Command] = field(default_factory=list)

    @property
    def repository(self) -> Path:
        return self.home / "widgets"

    @property
    def state(self) -> Path:
        return self.home / "state"

    @property
    def environment(self) -> dict[str, str]:
        who = {"NAME": "writer", "EMAIL": "writer@localhost.invalid"}
        names = {f"GIT_{role}_{what}": text for role in ("AUTHOR", "COMMITTER") for what, text in who.items()}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.home / "tmp"),
            "PYTHONUNBUFFERED": "1",
            **names,
        }

    def git(self, *argv: str) -> str:
        """Run git in the repository."""
        done = subprocess.run(
            ["git", *argv], cwd=self.repository, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, name: str, text: str) -> str:
        """Commit a file, and return the commit."""
        (self.repository / name).write_text(text)
        self.git("add", name)
        self.git("commit", "--quiet", "--message", f"Write {name}")
        return self.git("rev-parse", "HEAD")

    async def start(self, *argv: str, cwd: Path | None = None) -> Command:
        """Start `orch` with its output on a pipe."""
        process = await asyncio.create_subprocess_exec(
            str(ORCH),
            *argv,
            cwd=cwd or self.home,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        command = Command(process)
        command.reading = asyncio.create_task(_read(command))
        self.commands.append(command)
        return command

    async def run(self, *argv: str, cwd: Path | None = None) -> tuple[int, list[str]]:
        """Run `orch` to its end, and return its exit status and what it printed."""
        command = await self.start(*argv, cwd=cwd)
        return await command.ended(), command.said

    async def local(self, *argv: str) -> Command:
        """Start `orch local` and wait until it serves the repository."""
        command = await self.start(
            "local", "--repo", str(self.repository), "--state", str(self.state), "--sandbox", "none", *argv
        )
        await command.until_said("Ctrl-C stops")
        return command

    async def here(self, *argv: str) -> list[str]:
        """Run a command for the repository that is served; it must succeed."""
        status, said = await self.run(*argv, "--repo", str(self.repository), "--state", str(self.state))
        assert status == 0, said
        return said

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the hub's API as the person."""
        about = json.loads((self.state / "local.json").read_text())
        url = f"{about['api_url']}/repos/{about['repository']}{path}"
        headers = {"Authorization": f"Bearer {about['tokens']['writer']}"}
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            assert answer.status < 400, await answer.text()
            return await answer.json() if answer.status != 204 else None

    async def merge(self, issue: int) -> None:
        """Merge the pull request of an issue when it is there to be reviewed."""

        async def reviewable() -> bool:
            labels = (await self.call("GET", f"/issues/{issue}"))["labels"]
            return "status:in_review" in {label["name"] for label in labels}

        await self.until(reviewable)
        pulls = await self.call("GET", "/pulls")
        [number] = [pull["number"] for pull in pulls if pull["head"]["ref"].startswith(f"orch/{issue}-")]
        await self.call("PUT", f"/pulls/{number}/merge", {})

    async def until_told(self, issue: int, text: str) -> None:
        """Wait until a comment on the issue says so."""

        async def told() -> bool:
            comments = await self.call("GET", f"/issues/{issue}/comments")
            return any(text in comment["body"] for comment in comments)

        await self.until(told)

    async def until(self, probe: Callable[[], Awaitable[bool]]) -> None:
        """Look again and again until the probe says yes."""
        async with asyncio.timeout(PATIENCE):
            while True:
                if await probe():
                    return
                await asyncio.sleep(0.05)

    async def until_there(self, name: str) -> None:
        """Wait for a file in the person's home."""

        async def there() -> bool:
            return (self.home / name).exists()

        await self.until(there)


async def _read(command: Command) -> None:
    assert command.process.stdout is not None
    async for line in command.process.stdout:
        command.said.append(line.decode().rstrip("\n"))


@asynccontextmanager
async def new_desk(home: Path) -> AsyncIterator[Desk]:
    """Make the repository with one commit; at the end, nothing that was started is left."""
    async with aiohttp.ClientSession() as session:
        desk = Desk(home, session)
        desk.repository.mkdir()
        (home / "tmp").mkdir()
        desk.git("init", "--quiet", "--initial-branch=main")
        desk.commit("a.txt", "a\n")
        try:
            yield desk
        finally:
            for command in desk.commands:
                await command.kill()
