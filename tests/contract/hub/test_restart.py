"""The hub as a process: what it prints, and what survives when it is killed."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from infra.hub.git import ZERO
from infra.hub.records import GitWrite, Pull, Repository, User
from infra.hub.server import RunningHub, start_hub
from infra.hub.settings import HubSettings
from tests.contract.hub.stage import Receiver, encoded

PROGRAM = """
import json, sys
from pathlib import Path
from infra.hub.main import run_hub
from infra.hub.settings import HubSettings
given = json.loads(sys.argv[1])
run_hub(HubSettings(state_dir=Path(given.pop("state_dir")), **given))
"""


@dataclass(slots=True)
class Process:
    """A hub in a process of its own, and what it said about itself."""

    popen: subprocess.Popen[str]
    info: dict[str, Any]

    @classmethod
    def start(cls, state_dir: Path, **settings: Any) -> "Process":
        argv = [sys.executable, "-c", PROGRAM, json.dumps({"state_dir": str(state_dir), **settings})]
        popen = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert popen.stdout is not None
        return cls(popen, json.loads(popen.stdout.readline()))

    def end(self, number: signal.Signals) -> int:
        with self.popen:
            self.popen.send_signal(number)
            return self.popen.wait(30)


@dataclass(slots=True)
class Client:
    session: aiohttp.ClientSession
    info: dict[str, Any]

    async def call(self, method: str, path: str, json: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.info['writer_token']}"}
        url = self.info["api_url"] + path
        async with self.session.request(method, url, json=json, headers=headers) as reply:
            assert reply.status < 300, await reply.text()
            return await reply.json()

    async def open_issue(self, title: str) -> int:
        return int((await self.call("POST", "/repos/acme/widgets/issues", {"title": title}))["number"])


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver()
    runner, url = await receiver.start()
    yield receiver, url
    await runner.cleanup()


def opened(receiver: Receiver) -> list[str]:
    return [
        json.loads(body)["issue"]["title"] for headers, body in receiver.seen if headers["X-GitHub-Event"] == "issues"
    ]


def key_of(info: dict[str, Any]) -> str:
    return Path(info["key_file"]).read_text()


async def test_it_prints_how_to_reach_it_and_ends_on_sigterm(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    process = Process.start(tmp_path / "hub", webhook_url="http://127.0.0.1:9/")
    expected = {"api_url", "web_url", "app_id", "slug", "key_file", "webhook_url", "webhook_secret"}
    assert expected | {"installation_id", "repository", "writer_token", "stranger_token"} <= process.info.keys()
    assert key_of(process.info).startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert (await Client(session, process.info).call("GET", "/user"))["login"] == "writer"
    assert process.end(signal.SIGTERM) == 0


async def test_a_killed_hub_comes_back_with_everything(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    process = Process.start(tmp_path / "hub")
    client = Client(session, process.info)
    assert [await client.open_issue(title) for title in ("Kept", "Below")] == [1, 2]
    below = await client.call("GET", "/repos/acme/widgets/issues/2")
    await client.call("POST", "/repos/acme/widgets/issues/1/sub_issues", {"sub_issue_id": below["id"]})
    assert process.end(signal.SIGKILL) == -signal.SIGKILL
    again = Process.start(tmp_path / "hub")
    same = ("app_id", "installation_id", "tokens", "key_file", "repository")
    assert {key: again.info[key] for key in same} == {key: process.info[key] for key in same}
    client = Client(session, again.info)
    assert (await client.call("GET", "/repos/acme/widgets/issues/1"))["title"] == "Kept"
    assert (await client.call("GET", "/repos/acme/widgets/issues/2/parent"))["number"] == 1
    assert await client.open_issue("Next") == 3
    assert again.end(signal.SIGTERM) == 0


async def test_webhooks_not_yet_sent_are_sent_after_a_kill(
    tmp_path: Path, session: aiohttp.ClientSession, receiver: tuple[Receiver, str]
) -> None:
    process = Process.start(tmp_path / "hub", webhook_url=receiver[1], faults={"webhook_delay": 3600})
    await Client(session, process.info).open_issue("Waiting")
    process.end(signal.SIGKILL)
    assert opened(receiver[0]) == []
    again = Process.start(tmp_path / "hub")
    await Client(session, again.info).call("GET", "/_hub/idle")
    assert again.end(signal.SIGTERM) == 0
    assert opened(receiver[0]) == ["Waiting"]


async def test_every_acknowledged_write_survives_a_kill_with_its_webhook(
    tmp_path: Path, session: aiohttp.ClientSession, receiver: tuple[Receiver, str]
) -> None:
    process = Process.start(tmp_path / "hub", webhook_url=receiver[1])
    client = Client(session, process.info)
    acknowledged: list[str] = []
    enough = asyncio.Event()

    async def write(worker: int) -> None:
        for number in range(1000):
            title = f"{worker}/{number}"
            await client.open_issue(title)
            acknowledged.append(title)
            if len(acknowledged) == 20:
                enough.set()

    writers = [asyncio.create_task(write(worker)) for worker in range(3)]
    await enough.wait()
    process.end(signal.SIGKILL)
    ended = await asyncio.gather(*writers, return_exceptions=True)
    assert all(isinstance(error, aiohttp.ClientError) for error in ended)
    again = Process.start(tmp_path / "hub")
    client = Client(session, again.info)
    listed = await client.call("GET", "/repos/acme/widgets/issues?per_page=100")
    await client.call("GET", "/_hub/idle")
    assert again.end(signal.SIGTERM) == 0
    assert set(acknowledged) <= {issue["title"] for issue in listed}
    assert {issue["title"] for issue in listed} == set(opened(receiver[0]))


async def stopped_with_a_pull(tmp_path: Path, session: aiohttp.ClientSession) -> HubSettings:
    """Make a hub with one pull request, stop it, and give what it needs to start again."""
    settings = HubSettings(state_dir=tmp_path / "hub", webhook_url="http://127.0.0.1:9/")
    hub = await start_hub(settings)
    client = Client(session, hub.describe())
    main = (await client.call("GET", "/repos/acme/widgets/git/ref/heads/main"))["object"]["sha"]
    await client.call("POST", "/repos/acme/widgets/git/refs", {"ref": "refs/heads/work", "sha": main})
    change = {"message": "Work", "content": encoded("work\n"), "branch": "work"}
    await client.call("PUT", "/repos/acme/widgets/contents/work.txt", change)
    asked = {"title": "Do it", "head": "work", "base": "main"}
    await client.call("POST", "/repos/acme/widgets/pulls", asked)
    await hub.stop()
    return settings


async def begin_merge(hub: RunningHub) -> str:
    """Do what a merge does up to the moment in which the hub is killed: git is done, nothing is told."""
    state = hub.world.state
    repository, writer = state.find(Repository, "acme/widgets"), state.find(User, "writer")
    assert repository is not None
    assert writer is not None
    pull = state.find(Pull, "1", repository.id)
    assert pull is not None
    with state.transaction():
        note = GitWrite(state.new_id(), repository.id, writer.id, None, pull.number, pull.base_sha)
        state.put(note)
    identity = hub.world.identity(writer)
    git = hub.world.git(repository)
    return await git.merge("refs/heads/main", pull.head_sha, "squash", "Do it", identity)


async def test_a_merge_killed_after_git_is_finished_on_restart(
    tmp_path: Path, session: aiohttp.ClientSession, receiver: tuple[Receiver, str]
) -> None:
    settings = await stopped_with_a_pull(tmp_path, session)
    killed = await start_hub(settings)
    sha = await begin_merge(killed)
    await killed.stop()
    hub = await start_hub(HubSettings(state_dir=settings.state_dir, webhook_url=receiver[1]))
    client = Client(session, hub.describe())
    pull = await client.call("GET", "/repos/acme/widgets/pulls/1")
    assert (pull["merged"], pull["merge_commit_sha"], pull["merged_by"]["login"]) == (True, sha, "writer")
    await client.call("GET", "/_hub/idle")
    await hub.stop()
    events = [headers["X-GitHub-Event"] for headers, _ in receiver[0].seen]
    assert events == ["push", "pull_request"]
    assert json.loads(receiver[0].seen[0][1])["before"] != ZERO


async def test_a_temporary_hub_leaves_nothing_behind(session: aiohttp.ClientSession) -> None:
    hub = await start_hub(HubSettings())
    root = Path(hub.describe()["key_file"]).parent
    assert root.exists()
    await hub.stop()
    assert not root.exists()
