"""What people do with a task until it is done, each step only when they see that Orch followed the one before."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from app.domain.names import number_of_branch
from tests.e2e.world import World

LOOK_SECONDS = 0.3


@dataclass(slots=True)
class Eyes:
    """What everybody sees of all issues and pull requests, looked up for all of them at once."""

    world: World
    statuses: dict[int, set[str]] = field(default_factory=dict)
    pulls: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    looked: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            pulls: dict[int, list[dict[str, Any]]] = {}
            for pull in await self.world.pulls():
                pulls.setdefault(number_of_branch(pull["head"]["ref"], "orch") or 0, []).append(pull)
            # Only now, so that no status is older than the head it is seen with.
            issues = await self.world.read("/issues?state=all&per_page=100")
            async with self.looked:
                self.statuses = {issue["number"]: _statuses(issue) for issue in issues}
                self.pulls = pulls
                self.looked.notify_all()
            await asyncio.sleep(LOOK_SECONDS)

    async def until(self, what: str, seen: Callable[[], bool]) -> None:
        """Wait until it is seen."""
        try:
            async with asyncio.timeout(self.world.patience), self.looked:
                await self.looked.wait_for(seen)
        except TimeoutError:
            raise AssertionError(f"not seen within {self.world.patience:g} s: {what}") from None


def _statuses(issue: dict[str, Any]) -> set[str]:
    names = (label["name"] for label in issue["labels"])
    return {name.removeprefix("status:") for name in names if name.startswith("status:")}


@dataclass(slots=True)
class Story:
    """One task: what its agent was told, and how often it ran and people were called or answered, if all goes well."""

    world: World
    eyes: Eyes
    kind: str
    number: int = 0
    told: list[str] = field(default_factory=list)
    answers: int = 0
    runs: int = 1
    allowed: int = 0

    @property
    def pull(self) -> int:
        return int(self.eyes.pulls[self.number][0]["number"])

    @property
    def head(self) -> str:
        return str(self.eyes.pulls[self.number][0]["head"]["sha"])

    def line(self) -> str:
        """Make a new instruction, for another run: the agent adds a line to a file for it."""
        self.runs += 1
        self.told.append(f"{self.kind} {len(self.told)}")
        return f"please\n\n```bash\necho {self.told[-1]} >> told-{self.number}.txt\n```"

    async def open(self, body: str = "```bash\necho made > made-{}.txt\n```", label: str | None = "orch") -> None:
        self.number = await self.world.open_issue(self.kind, body.format(next(_files)), label=None)
        if label:
            await self.world.label(self.number, label)

    async def until(self, status: str) -> None:
        await self.eyes.until(
            f"{self.kind} #{self.number} is {status}", lambda: self.eyes.statuses.get(self.number) == {status}
        )

    async def review(self) -> None:
        """Wait until the task's pull request waits for review."""
        await self.until("in_review")
        await self.eyes.until(f"a pull request of #{self.number}", lambda: self.number in self.eyes.pulls)

    async def another_round(self, before: str) -> None:
        await self.eyes.until(f"{self.kind} #{self.number} has another head", lambda: self.head != before)
        await self.until("in_review")

    async def patch(self, path: str, **fields: Any) -> None:
        await self.world.call("PATCH", f"/repos/{self.world.repository}{path}", fields)

    async def merge(self) -> None:
        await self.world.merge(self.pull)

    async def made(self, name: str) -> None:
        """Wait until the agent has made a file in its workspace."""

        def is_there() -> bool:
            with suppress(FileNotFoundError):  # other workspaces go while this looks
                return any(self.world.folder.glob(f"orch/repositories/*/tasks/*/*/{name}"))
            return False

        await self.eyes.until(f"{name} in a workspace", is_there)


_files = count(1)


async def plain(story: Story) -> None:
    await story.open()
    await story.review()
    await story.merge()


async def stop_and_resume(story: Story) -> None:
    mark = f"first-{next(_files)}.txt"
    await story.open(f"```bash\necho first >> {mark}\n[ $(wc -l < {mark}) -gt 1 ] || sleep 3000\n```")
    await story.made(mark)
    await story.until("in_progress")
    story.runs += 1
    await story.world.say(story.number, "/stop")
    await story.until("paused")
    await story.world.until_text(story.number, "What the agent did so far is kept")
    await story.world.say(story.number, "/resume")
    await story.review()
    await story.merge()


async def pause_and_resume(story: Story) -> None:
    await story.open()
    await story.review()
    await story.world.say(story.number, "/pause")
    await story.until("paused")
    await story.world.say(story.number, "/resume")
    await story.review()
    await story.world.say(story.pull, "/merge")


async def retry_with_a_text(story: Story) -> None:
    await story.open()
    await story.review()
    before = story.head
    await story.world.say(story.number, f"/retry {story.line()}")
    await story.another_round(before)
    await story.world.say(story.number, "/merge")


async def failed_and_retried(story: Story) -> None:
    await story.open("Nobody can run this.")
    await story.until("needs_review")
    story.answers += 1  # the call for a person
    story.runs += 2  # each attempt fails
    await story.world.say(story.number, f"/retry {story.line()}")
    await story.review()
    await story.merge()


async def reviewed(story: Story) -> None:
    await story.open(f"```bash\necho made > made-{(name := next(_files))}.txt\n```")
    await story.review()
    before, remark = story.head, {"path": f"made-{name}.txt", "line": 1, "body": story.line()}
    told = {"event": "REQUEST_CHANGES", "body": "See the line.", "comments": [remark]}
    path = f"/repos/{story.world.repository}/pulls/{story.pull}/reviews"
    await story.world.call("POST", path, told, "maintainer")
    await story.another_round(before)
    await story.world.call("POST", path, {"event": "APPROVE", "body": ""}, "maintainer")
    await story.merge()


async def mentioned_on_the_pull_request(story: Story) -> None:
    await story.open()
    await story.review()
    for _ in range(2):
        before = story.head
        await story.world.say(story.pull, f"@orch {story.line()}")
        await story.another_round(before)
    await story.merge()


async def asked_why(story: Story) -> None:
    await story.open()
    await story.review()
    await story.world.say(story.number, "/why")
    await story.world.until_reply(story.number)
    await story.world.say(story.number, "/merge")
    story.answers += 1


async def comment_edited(story: Story) -> None:
    await story.open()
    await story.review()
    before, said = story.head, f"/retry {story.line()}"
    comment = await story.world.say(story.number, "Nice.")
    await story.patch(f"/issues/comments/{comment}", body=said)
    await story.another_round(before)
    await story.patch(f"/issues/comments/{comment}", body=f"Nice indeed.\n\n{said}")
    await story.merge()


async def closed_and_reopened(story: Story) -> None:
    await story.open()
    await story.review()
    await story.patch(f"/pulls/{story.pull}", state="closed")
    await story.until("needs_review")
    story.answers += 1  # the call for a person
    await story.patch(f"/pulls/{story.pull}", state="open")
    await story.review()
    await story.merge()


async def label_off_and_on(story: Story) -> None:
    await story.open()
    await story.review()
    await story.world.call("DELETE", f"/repos/{story.world.repository}/issues/{story.number}/labels/orch")
    await story.until("paused")
    await story.world.label(story.number, "orch")
    await story.review()
    await story.merge()


async def allowed_to_spend(story: Story) -> None:
    await story.open()
    await story.review()
    await story.world.say(story.number, "/approve budget 5")
    story.allowed += 5
    await story.world.until_text(story.number, "let it spend $5.00 more")
    await story.merge()


async def mentioned_on_an_issue(story: Story) -> None:
    await story.open(label=None)
    await story.world.say(story.number, f"@orch {story.line()}")
    story.runs -= 1  # the first run is told it
    await story.review()
    await story.merge()


async def blessed(story: Story) -> None:
    await story.open(label=None)
    await story.world.say(story.number, "/ok-to-run")
    await story.review()
    await story.world.label(story.number, "automerge")


STORIES: tuple[Callable[[Story], Awaitable[None]], ...] = (
    retry_with_a_text,
    stop_and_resume,
    reviewed,
    mentioned_on_the_pull_request,
    comment_edited,
    closed_and_reopened,
    label_off_and_on,
    asked_why,
    failed_and_retried,
    allowed_to_spend,
    mentioned_on_an_issue,
    blessed,
    pause_and_resume,
    plain,
)


async def live(world: World, eyes: Eyes, tasks: int) -> list[Story]:
    """Let so many tasks go their ways at once, and return them when all are done."""
    stories = [Story(world, eyes, STORIES[index % len(STORIES)].__name__) for index in range(tasks)]
    async with asyncio.TaskGroup() as group:
        for index, story in enumerate(stories):
            group.create_task(_to_done(STORIES[index % len(STORIES)], story))
    return stories


async def _to_done(people: Callable[[Story], Awaitable[None]], story: Story) -> None:
    await people(story)
    await story.until("done")
