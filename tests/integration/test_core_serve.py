"""How the processes start and end: one clear line for a mistake, and SIGTERM at any moment."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.domain.errors import Retryable
from app.domain.names import Repository
from app.entry.serve import serve
from app.settings import ServeSettings
from infra.hub.server import start_hub as hub_in_process
from infra.hub.settings import HubSettings
from tests.e2e.processes import ORCH, START_SECONDS, Child, free_port, healthy, start, start_hub

SECRET = "webhook-secret"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    path = tmp_path_factory.mktemp("key") / "key.pem"
    path.write_bytes(pem)
    return path


def settings(folder: Path, key: Path, **more: object) -> dict[str, str]:
    """Return the environment of an Orch whose GitHub does not answer."""
    values = {
        "APP_ID": 1,
        "PRIVATE_KEY_FILE": key,
        "WEBHOOK_SECRET": SECRET,
        "AGENTS": "script",
        "SANDBOX": "none",
        "STATE_DIR": folder / "state",
        "PORT": free_port(),
        "GITHUB_API_URL": f"http://127.0.0.1:{free_port()}",
        **more,
    }
    return {f"ORCH_{name}": str(value) for name, value in values.items()}


@asynccontextmanager
async def running(folder: Path, env: dict[str, str], *argv: str) -> AsyncIterator[Child]:
    child = await start([str(ORCH), *argv], env, folder / "log")
    try:
        yield child
    finally:
        await child.kill()


def test_memory_is_not_spent_on_what_is_seldom_used() -> None:
    seldom = {"apprise", "boto3", "genai_prices", "jinja2", "markdown_it", "nh3", "opentelemetry", "prometheus_client"}
    seldom |= {"rich", "yaml"}
    code = f"import sys, app.cli.main, app.entry.serve; sys.exit(', '.join({seldom} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr.strip()) == ("", "")


async def until_logged(folder: Path, text: str, child: Child) -> None:
    async with asyncio.timeout(START_SECONDS):
        while text not in (folder / "log").read_text():
            assert child.process.returncode is None, (folder / "log").read_text()
            await asyncio.sleep(0.02)


MISTAKES = {
    "no secret": ({"WEBHOOK_SECRET": ""}, "ORCH_WEBHOOK_SECRET"),
    "no such key": ({"PRIVATE_KEY_FILE": "/nowhere/key.pem"}, "there is no file /nowhere/key.pem"),
    "two keys": ({"PRIVATE_KEY": "pem"}, "either ORCH_PRIVATE_KEY"),
    "no key": ({"PRIVATE_KEY_FILE": "{folder}/binary"}, "ORCH_PRIVATE_KEY_FILE cannot be read"),
    "unknown agent": ({"AGENTS": "script,nobody"}, "nobody is unknown"),
    "network": ({"NETWORK": "none"}, "the sandbox `none` cannot withhold the network"),
    "unknown profile": ({"PROFILE": "safe"}, "ORCH_PROFILE"),
    "malformed agents": ({"AGENTS": '["script"'}, "ORCH_AGENTS"),
    "log level": ({"LOG_LEVEL": "loud"}, "ORCH_LOG_LEVEL"),
    "port": ({"PORT": "{taken}"}, "cannot listen on 127.0.0.1:"),
    "state": ({"STATE_DIR": "{folder}/binary"}, "cannot be used"),
    "address": ({"GITHUB_API_URL": "github.com"}, "ORCH_GITHUB_API_URL"),
    "beat": ({"BEAT": "20"}, "ORCH_BEAT"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_one_line_and_status_2(tmp_path: Path, key: Path, mistake: str) -> None:
    changes, said = MISTAKES[mistake]
    (tmp_path / "binary").write_bytes(b"\xff\x00\xff")
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        names = {"folder": tmp_path, "taken": taken.getsockname()[1]}
        values = {name: text.format(**names) for name, text in changes.items()}
        async with running(tmp_path, settings(tmp_path, key, **values), "serve") as child:
            status = await asyncio.wait_for(child.process.wait(), START_SECONDS)
    [line] = (tmp_path / "log").read_text().splitlines()
    assert (status, line.startswith("orch: "), said in line) == (2, True, True), line


async def test_every_missing_setting_is_named_at_once(tmp_path: Path) -> None:
    async with running(tmp_path, {}, "serve") as child:
        assert await asyncio.wait_for(child.process.wait(), START_SECONDS) == 2
    said = (tmp_path / "log").read_text()
    assert [name for name in ("AGENTS", "APP_ID", "PRIVATE_KEY", "WEBHOOK_SECRET") if f"ORCH_{name}" not in said] == []


@pytest.mark.parametrize("command", ["serve", "runner"])
async def test_it_stops_while_it_waits_for_github(tmp_path: Path, key: Path, command: str) -> None:
    async with running(tmp_path, settings(tmp_path, key), command) as child:
        await until_logged(tmp_path, "does not answer yet", child)
        assert await child.stop() == 0


async def test_a_key_of_another_app_is_one_line_and_status_2(tmp_path: Path, key: Path) -> None:
    hub, about = await start_hub(tmp_path, free_port(), f"http://127.0.0.1:{free_port()}/webhook")
    try:
        env = settings(tmp_path, key, GITHUB_API_URL=about["api_url"], APP_ID=about["app_id"])
        async with running(tmp_path, env, "serve") as child:
            assert await asyncio.wait_for(child.process.wait(), START_SECONDS) == 2
    finally:
        await hub.kill()
    [line] = (tmp_path / "log").read_text().splitlines()
    assert line.startswith("orch: GitHub does not take the App's key: ORCH_APP_ID and ORCH_PRIVATE_KEY")


@pytest.mark.parametrize("command", ["serve", "runner"])
async def test_it_ends_in_order_when_it_was_up(tmp_path: Path, command: str) -> None:
    port = free_port()
    hub, about = await start_hub(tmp_path, free_port(), f"http://127.0.0.1:{port}/webhook")
    try:
        env = settings(
            tmp_path,
            about["key_file"],
            PORT=port,
            GITHUB_API_URL=about["api_url"],
            APP_ID=about["app_id"],
            WEBHOOK_SECRET=about["webhook_secret"],
        )
        async with running(tmp_path, env, command) as child:
            if command == "serve":
                await healthy(f"http://127.0.0.1:{port}", child, tmp_path / "log")
                with closing(await hang_in_the_middle(port)):
                    assert await child.stop() == 0
            else:
                await until_logged(tmp_path, "connected to GitHub", child)
                assert await child.stop() == 0
    finally:
        await hub.kill()
    log = (tmp_path / "log").read_text()
    assert ("stopping" in log, "ExceptionGroup" in log, "Traceback" in log) == (True, False, False)


async def hang_in_the_middle(port: int) -> asyncio.StreamWriter:
    """Be a client that sends half a delivery and then nothing."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
    await writer.drain()
    return writer


class Silenced:
    """A GitHub that says who the App is and wants silence for an hour then."""

    def __init__(self, github: Any) -> None:
        self._github = github

    def __getattr__(self, name: str) -> Any:
        return getattr(self._github, name)

    async def repositories(self) -> list[Repository]:
        raise Retryable("GitHub asked to wait", 3600)


async def test_i1_deliveries_are_taken_while_github_wants_silence(tmp_path: Path) -> None:
    port = free_port()
    hub = await hub_in_process(HubSettings(state_dir=tmp_path / "hub"))
    about = hub.describe()
    env = settings(tmp_path, about["key_file"], PORT=port, GITHUB_API_URL=about["api_url"], APP_ID=about["app_id"])
    own = ServeSettings.model_validate({name.removeprefix("ORCH_").lower(): value for name, value in env.items()})
    serving = asyncio.create_task(
        serve(own, with_runner=False, wrap=lambda name, part: Silenced(part) if name == "github" else part)
    )
    try:
        assert await asyncio.wait_for(health(port, serving), START_SECONDS) == 200
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await hub.stop()


async def health(port: int, serving: asyncio.Task[None]) -> int:
    """Ask until it is ready."""
    async with aiohttp.ClientSession() as session:
        while not serving.done():
            with suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 200:
                        return answer.status
            await asyncio.sleep(0.02)
    await serving
    return 0
