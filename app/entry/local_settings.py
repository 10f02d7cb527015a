"""What the person asked of `orch local`, as settings of hub and Orch."""

import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from app.domain.errors import Permanent, UserError
from app.entry.local_place import Place, Tell
from app.settings import KNOWN_AGENTS, ServeSettings
from infra.hub.settings import HubSettings, Seed
from runner.sandbox import SandboxKind, find_sandbox

HOST = "127.0.0.1"
OWNER = "local"


@dataclass(frozen=True, slots=True)
class Wish:
    """Port 0 is the one of last time if it can be had, else any; `base` None lets the repository say.

    `sandbox` None is the best there is here, none at all included.
    """

    agent: str = "script"
    base: str | None = None
    port: int = 0
    sandbox: str | None = None


def check_agent(name: str) -> None:
    """Raise UserError naming the agents there are if this is none."""
    if name not in KNOWN_AGENTS:
        raise UserError(f"there is no agent `{name}` here; there is: {', '.join(sorted(KNOWN_AGENTS))}")


def with_sandbox(wish: Wish, tell: Tell) -> Wish:
    """Choose what isolates agents where the person did not, and say so if nothing can. Raises UserError."""
    known = [kind.value for kind in SandboxKind]
    if wish.sandbox is not None:
        if wish.sandbox not in known:
            raise UserError(f"there is no sandbox `{wish.sandbox}`; there is: {', '.join(known)}")
        return wish
    try:
        return replace(wish, sandbox=find_sandbox().kind.value)
    except Permanent:
        tell("Agents are not isolated from this machine here; install bubblewrap to have that.")
        return replace(wish, sandbox=SandboxKind.NONE.value)


def hub_settings(place: Place, wish: Wish, branch: str, webhook: str) -> HubSettings:
    """Return the settings of a hub that serves the repository. Raises UserError for a port that is taken."""
    return HubSettings(
        state_dir=place.state / "hub",
        host=HOST,
        port=_page_port(place, wish.port),
        webhook_url=webhook,
        webhook_secret=secrets.token_hex(16),
        seed=Seed(owner=OWNER, repository=place.name, source=place.folder, branch=branch),
    )


def orch_settings(place: Place, wish: Wish, about: Mapping[str, Any], port: int) -> ServeSettings:
    """Return the settings of an Orch at that hub: nothing limits it, and a lost run is noticed soon."""
    return ServeSettings(
        github_api_url=about["api_url"],
        github_web_url=about["web_url"],
        app_id=about["app_id"],
        private_key_file=Path(about["key_file"]),
        webhook_secret=SecretStr(about["webhook_secret"]),
        state_dir=place.state / "orch",
        agents=[wish.agent],
        sandbox=wish.sandbox,
        host=HOST,
        port=port,
        beat=1,
        job_lease=6,
        run_lease=6,
        retry_base=1,
        list_lag=0,
        write_gap=0,
        redeliver_every=10,
        onboarding=False,
    )


def free_port(wanted: int = 0) -> int:
    """Return a port that nobody listens on, the wanted one if there is one. Raises OSError if that is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, wanted))
        port: int = probe.getsockname()[1]
        return port


def _page_port(place: Place, wanted: int) -> int:
    if wanted:
        try:
            return free_port(wanted)
        except OSError as error:
            raise UserError(f"port {wanted} cannot be used ({error.strerror}): name another one with --port") from None
    with suppress(OSError):
        return free_port(place.last_port())
    return free_port()
