"""What an agent finds of the credentials of the task that its runner is: nothing, where there is a sandbox.

On ECS they are at an address of the machine under a path that nobody can guess, and that path is in the environment of
the runner. With a full network an agent may ask that address, too: all that keeps the credentials from it is that no
other user can read a process's environment.
"""

import json
import os
import shutil
import tempfile
import threading
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
import pytest_asyncio

from runner.sandbox import SandboxKind
from tests.e2e.forked import Zygote
from tests.e2e.processes import launch
from tests.e2e.world import Process, World, new_world
from tests.integration import credential_probe
from tests.integration.sandboxes import sandbox_or_skip

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROGRAM = Path(credential_probe.__file__)
PYTHON = shutil.which("python3", path="/usr/bin:/bin")


def canary(name: str) -> str:
    return f"canary-{name}-{token_hex(8)}"


@dataclass(slots=True)
class Endpoint:
    """Gives credentials to whoever knows the path, as ECS does to the containers of a task."""

    path: str = field(default_factory=lambda: canary("path"))
    token: str = field(default_factory=lambda: canary("token"))
    metadata: str = field(default_factory=lambda: canary("metadata"))
    granted: str = field(default_factory=lambda: canary("granted"))
    port: int = 0
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, str]:
        self.asked.append(path)
        if path == f"/v2/credentials/{self.path}":
            return 200, json.dumps({"AccessKeyId": "ASIA", "SecretAccessKey": self.granted})
        return (200, "{}") if path == f"/v4/{self.metadata}" else (404, "not found")

    @property
    def environment(self) -> dict[str, str]:
        """What ECS puts into a container's environment, and what else may be there."""
        url = f"http://127.0.0.1:{self.port}"
        return {
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": f"/v2/credentials/{self.path}",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/v2/credentials/{self.path}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self.token,
            "ECS_CONTAINER_METADATA_URI_V4": f"{url}/v4/{self.metadata}",
            "AWS_SECRET_ACCESS_KEY": canary("environment"),
        }


@contextmanager
def serving(endpoint: Endpoint) -> Iterator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = endpoint.answer(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        endpoint.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield endpoint
        server.shutdown()
        thread.join()


@dataclass(frozen=True, slots=True)
class Place:
    """Orch without a runner, as a container of a task has it, and issues for an agent that looks for credentials."""

    world: World
    endpoint: Endpoint

    @property
    def agents(self) -> dict[str, Any]:
        folders = [str(self.world.folder / name) for name in (".env", "orch", "orch.log")]
        targets = json.dumps({"folders": folders, "port": self.endpoint.port})
        argv = [str(PYTHON), "-I", "-c", PROGRAM.read_text(), targets]
        escaped = [each.replace("{", "{{").replace("}", "}}") for each in argv]
        return {"AGENTS": "probe", "AGENT_OPTIONS": json.dumps({"probe": {"adapter": "command", "argv": escaped}})}

    async def look(self, sandbox: str, network: str) -> dict[str, Any]:
        """Let an agent look around in that sandbox, and return what it wrote down."""
        self.endpoint.asked.clear()
        more = {"SANDBOX": sandbox, "NETWORK": network, "HOSTS": "docs.example.org", **self.agents}
        runner = await self.world.start_orch("runner", wait=False, **more)
        number = await self.world.open_issue(title=f"Look around in {sandbox} {network}")
        await self.world.until_status(number, "in_review")
        await runner.stop()
        [pull, *_] = await self.world.pulls()
        file = await self.world.read(f"/contents/found.json?ref={pull['head']['ref']}")
        said: dict[str, Any] = json.loads(b64decode(file["content"]))
        return said


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(zygote: Zygote, template: Path) -> AsyncIterator[Place]:
    if PYTHON is None:
        pytest.skip("there is no Python that every user may start")
    with tempfile.TemporaryDirectory(prefix="orch-credentials-") as folder, serving(Endpoint()) as endpoint:
        os.chmod(folder, 0o711)  # noqa: PTH101, S103 - users of their own come to their workspaces through it

        async def start(argv: list[str], env: Mapping[str, str], log: Path) -> Process:
            """Fork what needs no environment of its own in /proc."""
            return await (launch if argv[0] == "runner" else zygote.launch)(argv, env, log)

        async with new_world(Path(folder), start, template) as world:
            place = Place(world, endpoint)
            (world.folder / ".env").write_text(f"ANTHROPIC_API_KEY={canary('dotenv')}\n")
            world.environment.update(endpoint.environment)
            await world.start_orch("serve", "--no-runner", SETTLE=0, **place.agents)
            (world.folder / "orch" / "planted").write_text(canary("state"))
            yield place


def names(said: dict[str, Any]) -> dict[str, str]:
    """Return where what was found."""
    return {secret.split("-")[1]: where for secret, where in said["found"].items()}


async def test_without_a_sandbox_an_agent_finds_everything(place: Place) -> None:
    said = await place.look("none", "full")
    assert names(said) == {
        "path": "/proc/PID/environ",
        "token": "/proc/PID/environ",
        "metadata": "/proc/PID/environ",
        "environment": "/proc/PID/environ",
        "dotenv": ".env",
        "state": "planted",
        "granted": f"GET /v2/credentials/{place.endpoint.path}",
    }


@pytest.mark.parametrize("kind", [SandboxKind.BUBBLEWRAP, SandboxKind.UID])
async def test_i5_in_a_sandbox_an_agent_finds_no_path_that_it_could_ask_for(place: Place, kind: SandboxKind) -> None:
    sandbox_or_skip(kind)
    said = await place.look(kind.value, "full")
    assert said == {"found": {}, "answered": len(credential_probe.GUESSES)}
    assert place.endpoint.asked == list(credential_probe.GUESSES)


@pytest.mark.parametrize("network", ["hosts", "none"])
async def test_i5_without_the_network_not_even_the_address_is_reached(place: Place, network: str) -> None:
    sandbox_or_skip(SandboxKind.BUBBLEWRAP)
    said = await place.look("bubblewrap", network)
    assert (said["found"], said["answered"], place.endpoint.asked) == ({}, 0, [])
