"""Mistakes that people make, and what is said where they are: one line with what to do, and exit status 2."""

import asyncio
import errno
import json
import os
import resource
import shutil
import socket
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.domain.errors import Retryable
from app.entry.parts import patiently
from infra.local.clock import SystemClock
from tests.e2e.processes import ORCH, START_SECONDS, healthy, start
from tests.e2e.world import World
from tests.integration.test_core_stop import git
from tests.integration.test_readyz import FOR_NOW, ready
from tests.integration.test_web import signed

COMMANDS = ("serve", "runner")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Make the private key of some App."""
    path = tmp_path / "other.pem"
    private = rsa.generate_private_key(65537, 2048)
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    return path


async def said(folder: Path, env: Mapping[str, str], *argv: str, files: Mapping[str, str] | None = None) -> str:
    """Run `orch` in a folder of its own with these files, and return the one line it says; its status must be 2."""
    place = folder / "here"
    place.mkdir()
    for name, text in (files or {}).items():
        (place / name).write_text(text)
    child = await start([*argv] if argv[0].startswith("/") else [str(ORCH), *argv], env, place / "said")
    try:
        status = await asyncio.wait_for(child.wait(), START_SECONDS)
    finally:
        await child.kill()
    [line] = (place / "said").read_text().splitlines()
    assert (status, line.startswith("orch: ")) == (2, True), line
    return line


def changed(world: World, without: str = "", **more: Any) -> dict[str, str]:
    """Return right settings but for one mistake."""
    settings = world.settings(**more)
    settings.pop(f"ORCH_{without}", None)
    return settings


# 1, 2: no secret, wrong key


@pytest.mark.parametrize("secret", [{}, {"WEBHOOK_SECRET": ""}])
async def test_without_a_webhook_secret_nothing_starts(world: World, secret: dict[str, str]) -> None:
    env = changed(world, "WEBHOOK_SECRET") | {f"ORCH_{name}": value for name, value in secret.items()}
    assert "ORCH_WEBHOOK_SECRET" in await said(world.folder, env, "serve")


async def test_a_key_that_is_no_key_is_said_with_where_to_get_one(world: World) -> None:
    (world.folder / "key").write_text("not a key")
    line = await said(world.folder, changed(world, PRIVATE_KEY_FILE=world.folder / "key"), "serve")
    assert "generate one in the App's settings on GitHub and name its file in ORCH_PRIVATE_KEY_FILE" in line


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_key_of_another_app_is_said_with_the_settings_to_compare(world: World, key: Path, command: str) -> None:
    line = await said(world.folder, changed(world, PRIVATE_KEY_FILE=key), command)
    assert "ORCH_APP_ID and ORCH_PRIVATE_KEY(_FILE) must be of the same App" in line


async def test_an_app_that_github_does_not_know_is_said_with_the_settings_to_look_at(world: World) -> None:
    line = await said(world.folder, changed(world, APP_ID=1), "serve")
    assert "GitHub knows no such App: look at ORCH_APP_ID (1) and ORCH_GITHUB_API_URL" in line


async def test_an_address_that_is_no_api_is_said_with_the_setting_to_look_at(world: World) -> None:
    line = await said(world.folder, changed(world, GITHUB_API_URL=f"{world.about['web_url']}/acme/widgets"), "serve")
    assert "ORCH_GITHUB_API_URL" in line


# 3, 4: port taken, no git


async def test_a_port_that_is_taken_is_said_with_the_setting_to_change(world: World) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        line = await said(world.folder, changed(world, PORT=port), "serve")
    assert line == (
        f"orch: cannot listen on 127.0.0.1:{port}: Address already in use; set ORCH_PORT to a port that is free"
    )


async def test_a_port_that_is_taken_is_said_by_the_hub_too(world: World) -> None:
    line = await said(world.folder, {}, "hub", "--port", str(world.hub_port))
    assert line.endswith("Address already in use; choose another --port")


@pytest.mark.parametrize("command", [*COMMANDS, "hub"])
async def test_without_git_nothing_starts_that_needs_it(world: World, command: str) -> None:
    line = await said(world.folder, changed(world, WEBHOOK_SECRET="x") | {"PATH": str(world.folder)}, command)
    assert line.startswith("orch: git is not on PATH")
    assert line.endswith("install it (Debian: apt-get install git)")


# 5: a repository without commits


async def test_a_repository_without_commits_parks_the_task_with_what_to_do(world: World) -> None:
    await world.call("POST", "/_hub/repositories", {"owner": "acme", "name": "empty", "files": None})
    await world.call("PUT", "/_hub/repositories/acme/empty/collaborators/writer", {"permission": "write"})
    await world.call("POST", "/_hub/installations", {"repositories": ["acme/empty"]})
    world.repository = "acme/empty"
    await world.start_orch()
    number = await world.open_issue()
    await world.until_status(number, "needs_review")
    await world.until_idle()
    told = (await world.comments(number))[-1]
    assert "the repository has no commit yet. Push a first one to main, for example a README." in told
    assert "take the label off and put it on again" in told

    await push_first_commit(world)
    await world.call("DELETE", f"/repos/acme/empty/issues/{number}/labels/orch")
    await world.label(number, "orch")
    await world.until_status(number, "in_review")


async def push_first_commit(world: World) -> None:
    work = world.folder / "first"
    work.mkdir()
    (work / "README.md").write_text("# Not empty any more\n")
    address = str(world.about["web_url"]).replace("://", f"://writer:{world.about['writer_token']}@")
    await git(work, "init", "--quiet", "--initial-branch=main")
    await git(work, "add", "--all")
    await git(work, "commit", "--quiet", "--message", "First")
    await git(work, "push", "--quiet", f"{address}/acme/empty.git", "main")


# 6: a state directory that cannot be written


async def test_a_state_directory_where_nobody_can_write_is_said_with_the_setting(world: World) -> None:
    line = await said(world.folder, changed(world, STATE_DIR="/sys/orch-state"), "serve")
    assert line.startswith("orch: /sys/orch-state/queue.db cannot be used: ")
    assert line.endswith("; let ORCH_STATE_DIR be a folder that Orch may write, with room on its disk")


async def test_a_state_directory_that_is_read_only_is_said_with_the_setting(world: World) -> None:
    state = world.folder / "read-only"
    state.mkdir()
    script = f"mount --bind {state} {state} && mount -o remount,bind,ro {state} && exec {ORCH} serve"
    line = await said(world.folder, changed(world, STATE_DIR=state), *in_own_mounts(script))
    assert "let ORCH_STATE_DIR be a folder that Orch may write" in line


def in_own_mounts(script: str) -> list[str]:
    """Return the command that runs a script in mounts of its own; skip where that is not allowed."""
    unshare = shutil.which("unshare")
    if unshare is None or os.system(f"{unshare} --mount true 2>/dev/null"):  # noqa: S605 - a fixed command
        pytest.skip("this user may not make mounts of its own")
    return [unshare, "--mount", "/bin/sh", "-c", script]


# 7, 8: typos


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("orch.yml", "prot: 8080\n", "prot (orch.yml, line 1) is no setting; did you mean port?"),
        ("orch.yml", "slots: [1\n", "orch.yml, line 2, is not YAML"),
        ("orch.yml", "slots: many\n", "slots (from orch.yml, line 1)"),
        (".env", "ORCH_WORKER=3\n", "ORCH_WORKER (from .env) is no setting; did you mean ORCH_WORKERS?"),
        (".env", "ORCH_WORKERS 3\n", ".env, line 1, is not NAME=value"),
    ],
)
async def test_a_typo_in_a_file_is_said_with_its_place(world: World, name: str, text: str, expected: str) -> None:
    line = await said(world.folder, changed(world), "serve", files={name: text})
    assert expected in line


async def test_an_agent_that_nobody_knows_is_said_with_those_known(world: World) -> None:
    line = await said(world.folder, changed(world, AGENTS="scirpt"), "serve")
    assert "scirpt is unknown; known: claude, codex," in line


# 9: GitHub is down


async def test_while_github_is_down_it_is_asked_again_and_again_and_that_is_said(world: World) -> None:
    assert world.hub is not None
    await world.hub.kill()
    child = await world.start_orch(wait=False)

    async def waits() -> list[float]:
        lines = [line for line in world.log.read_text().splitlines() if "GitHub does not answer yet" in line]
        return [float(line.split("seconds=")[1].split()[0]) for line in lines] if len(lines) >= 3 else []

    assert (await world.until("three lines", waits))[:3] == [0.3, 0.6, 1.2]
    status, told = await world.until("an answer", lambda: ready(world))
    assert (status, told["github"]) == (503, FOR_NOW)
    assert await child.stop() == 0


class Sleepless(SystemClock):
    """A clock that notes how long it was to sleep."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def test_github_is_asked_ever_more_seldom_but_at_least_every_quarter_of_a_minute() -> None:
    clock = Sleepless()

    async def ask() -> str:
        if len(clock.slept) < 6:
            raise Retryable("down", 7 if len(clock.slept) == 5 else None)
        return "up"

    assert await patiently(ask, clock) == "up"
    assert clock.slept == [2, 4, 8, 15, 15, 7]


# 10: the disk is full


async def deliver(world: World, name: str) -> int:
    """Deliver something that takes room, and return the status."""
    noise = os.urandom(50_000).hex()
    payload = {"action": "labeled", "repository": {"id": 1}, "issue": {"number": 1}, "noise": noise}
    body = json.dumps(payload).encode()
    headers = signed(body, world.about["webhook_secret"].encode()) | {"x-github-delivery": name}
    async with world.session.post(f"http://127.0.0.1:{world.port}/webhook", data=body, headers=headers) as answer:
        return answer.status


async def assert_refused_until_there_is_room(world: World, make_room: Any) -> None:
    """Check that nothing is taken that cannot be kept, and that all is well once there is room."""
    assert [await deliver(world, f"full-{number}") for number in range(3)] == [503] * 3

    async def unready() -> bool:
        status, told = await ready(world)
        return (status, told["queue"]) == (503, FOR_NOW)

    await world.until("unready", unready)
    make_room()

    async def is_ready() -> bool:
        return (await ready(world))[0] == 200

    await world.until("ready", is_ready)
    number = await world.open_issue()
    await world.until_status(number, "in_review")


async def test_i1_a_file_that_may_not_grow_takes_no_delivery_until_it_may(world: World) -> None:
    """A quota: files of the process end at what they have."""
    child = await world.start_orch()
    await world.until_idle()
    limit = (world.folder / "orch/queue.db").stat().st_size
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def make_room() -> None:
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    await assert_refused_until_there_is_room(world, make_room)
    assert "dead" not in world.queued()


async def test_i1_a_full_disk_takes_no_delivery_until_there_is_room(world: World) -> None:
    state = world.folder / "orch"
    state.mkdir()
    script = f"mount -t tmpfs -o size=16m none {state} && exec {ORCH} serve"
    child = await start(in_own_mounts(script), world.settings(), world.log)
    world.orch.append(child)
    await healthy(f"http://127.0.0.1:{world.port}", child, world.log)
    filler = Path(f"/proc/{child.pid}/root{state}/filler")
    fill(filler)
    await assert_refused_until_there_is_room(world, filler.unlink)
    log = world.log.read_text()
    assert "is there room on the disk, and may Orch write there?" in log
    assert "Traceback" not in log


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017 - how many writes there is room for is not known


async def test_a_log_that_cannot_be_written_stops_nothing(world: World) -> None:
    script = f"exec {ORCH} serve 2>/dev/full"
    child = await start(["/bin/sh", "-c", script], world.settings(), world.log)
    world.orch.append(child)
    await healthy(f"http://127.0.0.1:{world.port}", child, world.log)
    number = await world.open_issue()
    await world.until_status(number, "in_review")
    assert await child.stop() in (0, 120)  # 120 is Python's own word for a standard error that took nothing
