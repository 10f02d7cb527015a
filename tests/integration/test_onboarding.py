"""The one pull request that shows a repository what can be configured, on the hub."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from app.domain.names import Repository
from app.domain.onboarding import TITLE, render_file
from app.github.api import GitHubApi, open_github
from app.onboarding import open_onboarding
from infra.hub.server import start_hub
from infra.hub.settings import HubSettings
from infra.local.clock import SystemClock
from tests.unit.build import POLICY

BRANCH = "orch/onboarding"


@dataclass(frozen=True, slots=True)
class Stage:
    """The hub as the App sees it, and as the owner of its repository does."""

    url: str
    token: str
    session: aiohttp.ClientSession
    github: GitHubApi
    repository: Repository
    empty: Repository

    async def onboard(self) -> None:
        # GitHub names no default branch when it tells of an installation; this one is a guess.
        guessed = self.repository.model_copy(update={"default_branch": "trunk"})
        await open_onboarding(self.github, await self.github.identity(), POLICY, guessed)

    async def call(self, method: str, path: str, **body: Any) -> Any:
        url, headers = f"{self.url}/repos/acme/widgets{path}", {"Authorization": f"Bearer {self.token}"}
        async with self.session.request(method, url, json=body or None, headers=headers) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def pulls(self) -> list[str]:
        return [pull["title"] for pull in await self.call("GET", "/pulls?state=all")]

    async def write(self, branch: str, path: str) -> None:
        content = base64.b64encode(b"x\n").decode()
        await self.call("PUT", f"/contents/{path}", message="Write", content=content, branch=branch)

    async def branch(self) -> None:
        head = await self.github.branch_head(self.repository, "main")
        assert head is not None
        await self.github.create_branch(self.repository, BRANCH, head)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    hub = await start_hub(HubSettings())
    about = hub.describe()
    try:
        async with (
            open_github(about["api_url"], about["app_id"], read(about["key_file"]), SystemClock()) as github,
            aiohttp.ClientSession() as session,
        ):
            await add_empty(session, hub.base_url)
            repository, empty = await github.repositories()
            yield Stage(hub.base_url, about["maintainer_token"], session, github, repository, empty)
    finally:
        await hub.stop()


def read(path: str) -> str:
    return Path(path).read_text()


async def add_empty(session: aiohttp.ClientSession, url: str) -> None:
    """Install the App on a repository without a commit."""
    for path, body in (
        ("repositories", {"owner": "acme", "name": "empty", "files": None}),
        ("installations", {"repositories": ["acme/empty"]}),
    ):
        async with session.post(f"{url}/_hub/{path}", json=body) as made:
            assert made.status == 201


async def test_it_is_opened_once_and_not_again_after_it_was_closed(stage: Stage) -> None:
    await stage.onboard()
    (pull,) = await stage.call("GET", "/pulls")
    assert (pull["title"], pull["head"]["ref"], pull["base"]["ref"]) == (TITLE, BRANCH, "main")
    (file,) = await stage.call("GET", f"/pulls/{pull['number']}/files")
    shown = await stage.call("GET", f"/contents/.orch.yml?ref={BRANCH}")
    assert (file["filename"], base64.b64decode(shown["content"]).decode()) == (".orch.yml", render_file(POLICY))
    await stage.onboard()
    await stage.call("PATCH", f"/pulls/{pull['number']}", state="closed")
    await stage.github.delete_ref(stage.repository, f"refs/heads/{BRANCH}")
    await stage.onboard()
    assert await stage.pulls() == [TITLE]


async def test_i2_what_a_crash_left_is_gone_on_with(stage: Stage) -> None:
    await stage.branch()
    await stage.onboard()
    assert await stage.pulls() == [TITLE]


async def test_i2_the_file_of_an_earlier_try_is_ours(stage: Stage) -> None:
    await stage.branch()
    await stage.github.write_file(stage.repository, BRANCH, ".orch.yml", b"# half\n", "Begin")
    await stage.onboard()
    assert await stage.pulls() == [TITLE]


async def test_a_branch_of_somebody_elses_is_left_alone(stage: Stage) -> None:
    await stage.branch()
    await stage.write(BRANCH, "notes.txt")
    await stage.onboard()
    assert await stage.pulls() == []


async def test_who_has_a_file_is_shown_none(stage: Stage) -> None:
    await stage.write("main", ".orch.yml")
    await stage.onboard()
    assert await stage.pulls() == []


async def test_an_empty_repository_is_shown_none(stage: Stage) -> None:
    await open_onboarding(stage.github, await stage.github.identity(), POLICY, stage.empty)
    assert await stage.github.pulls_from(stage.empty, BRANCH) == []
