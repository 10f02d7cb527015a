"""The demo: an issue of a sample repository becomes a merged pull request, and every step is observed."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from app.domain.errors import Permanent, Retryable
from app.entry.demo_look import Eyes, Look
from app.entry.demo_sample import TITLE, issue_body, make_sample, run_tests
from app.entry.demo_steps import TO_DONE, TO_REVIEW, Step, agent_words
from app.entry.demo_view import View
from app.entry.footprint import Footprint
from app.entry.local import Local, SayingStop, open_local
from app.entry.local_place import find_place
from app.entry.local_settings import Wish, check_agent
from app.entry.stopping import Stop, stop_on_signals
from app.settings import user_environment
from infra.local.user_git import UserGit

T = TypeVar("T")

PATIENCE = 120.0
EVERY = 0.1
FAILS, UP, ASKED = "the sample's test fails", "hub and Orch started", "issue opened and labelled"
PASSES, LANDED = "merged result tested", "landed in the repository"
NAMES = (
    *(FAILS, UP, ASKED),
    *(step.name for step in TO_REVIEW),
    TO_DONE[0].name,
    PASSES,
    *(step.name for step in TO_DONE[1:]),
    LANDED,
)


class NotSeen(Exception):
    """Something did not happen, or nobody wants to wait for it any longer."""


async def run_demo(wish: Wish, *, keep: bool) -> bool:
    """Show the whole way of a task; True if all of it was observed.

    `keep` leaves hub and Orch up until SIGINT or SIGTERM. What was made is removed, but after a failure.
    """
    check_agent(wish.agent)
    folder = Path(tempfile.mkdtemp(prefix="orch-demo-"))
    view = View(Console(), NAMES)
    stop = stop_on_signals(SayingStop(view.say))
    footprint = Footprint()
    try:
        with view:
            await footprint.during(_show(folder, wish, view, stop, keep=keep))
    except (NotSeen, Permanent, Retryable) as error:
        view.say(f"the demo failed: {error}")
    finally:
        if not view.missing:
            shutil.rmtree(folder, ignore_errors=True)
    if view.missing:
        view.say(f"not observed: {', '.join(view.missing)}; logs are in {folder / 'state'}")
    else:
        view.say(f"all observed on the hub; {footprint.most >> 20} MB of memory at most")
    return not view.missing


async def _show(folder: Path, wish: Wish, view: View, stop: Stop, *, keep: bool) -> None:
    repository = folder / "widgets"
    make_sample(repository, user_environment())
    broken = await run_tests(repository)
    if broken.passed:
        raise NotSeen("the sample's test passes before anything was done")
    view.see(FAILS, broken.said)
    place = find_place(repository, folder / "state")
    async with open_local(place, wish, stop, lambda line: view.say(f"  git   | {line}")) as local:
        view.see(UP, local.page)
        number = await Story(local, view, stop).tell()
        if keep:
            view.say(f"look at it: {local.page}/{number} (Ctrl-C ends it)")
            await local.ended()


@dataclass(frozen=True, slots=True)
class Story:
    """The way of one task."""

    local: Local
    view: View
    stop: Stop

    async def tell(self) -> int:
        """Open and label an issue, merge what comes of it, see everything that follows, and return its number.

        Raises NotSeen.
        """
        person = self.local.person
        issue = await person.write_issue(TITLE, issue_body(), [])
        number: int = issue["number"]
        await person.call("POST", f"/issues/{number}/labels", {"labels": ["orch"]})
        self.view.see(ASKED, f"#{number} {TITLE}")
        eyes = Eyes(self.local, number)
        look = await self._watch(eyes, TO_REVIEW)
        for line in agent_words(look):
            self.view.say(f"  agent | {line}")
        await person.call("PUT", f"/pulls/{look.pulls[0]['number']}/merge", {})
        look = await self._watch(eyes, TO_DONE[:1])
        sha = look.refs["refs/heads/main"]
        await self._test_merged(sha)
        await self._watch(eyes, TO_DONE[1:])
        await self._see_landed(sha)
        return number

    async def _test_merged(self, sha: str) -> None:
        """Clone what the hub has now, as anybody would, and run its tests."""
        local = self.local
        clone = local.place.state.with_name("merged")
        url = f"{local.hub.about['web_url']}/{local.person.repository}.git"
        git = UserGit(clone.parent, local.place.git.environment)
        await asyncio.to_thread(git, "-c", "http.proxy=", "clone", "--quiet", url, str(clone))
        if git("-C", str(clone), "rev-parse", "HEAD") != sha:
            raise NotSeen(f"a clone of main is not at {sha}")
        result = await run_tests(clone)
        if not result.passed:
            raise NotSeen(f"the merged result does not pass its tests: {result.said}")
        self.view.see(PASSES, result.said)

    async def _see_landed(self, sha: str) -> None:
        """See the merge in the person's own work tree."""
        git = self.local.place.git

        async def landed() -> str | None:
            there = git("rev-parse", "main") == sha and not git("status", "--porcelain")
            return f"main is at {sha[:10]} in the work tree too" if there else None

        self.view.see(LANDED, await self._until(landed))

    async def _watch(self, eyes: Eyes, steps: tuple[Step, ...]) -> Look:
        """Look until every step was seen, and return the last look."""

        async def seen() -> Look | None:
            look = await eyes.look()
            for step in steps:
                if step.name not in self.view.seen and (detail := step.sign(look)):
                    self.view.see(step.name, detail)
            return look if all(step.name in self.view.seen for step in steps) else None

        return await self._until(seen)

    async def _until(self, probe: Callable[[], Awaitable[T | None]]) -> T:
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not self.stop.is_set() and not self.local.serving.done():
                    if (found := await probe()) is not None:
                        return found
                    await asyncio.sleep(EVERY)
        if self.stop.is_set():
            raise NotSeen("it was stopped")
        raise NotSeen("Orch ended" if self.local.serving.done() else f"nothing more within {PATIENCE:g} s")
