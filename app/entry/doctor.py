"""Examine whether this machine can run agents, and prove that they are kept apart from it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.domain.errors import Permanent
from app.entry.agents import AgentRow, list_agents
from app.entry.check import Check, Result
from app.entry.doctor_app import examine_app
from app.settings import AgentsSettings, Place, ServeSettings, StateSettings, check_settings, find_sources
from app.sources import DEFAULT_FILE, Sources
from infra.local.clock import SystemClock
from runner.egress import Allowed
from runner.sandbox import Network, Sandbox, SandboxKind, find_sandbox
from runner.sandbox.breakout import Escape, break_out

OLDEST_GIT = (2, 32)
DOT_ENV = Path(".env")
LEAST_FREE, MUCH_FREE = 1 << 30, 10 << 30
UNSHARE = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(0x10000000) != 0)"
SEEN_AS = {
    SandboxKind.BUBBLEWRAP: "bubblewrap: agents see their own files and the system's, in namespaces of their own",
    SandboxKind.UID: "uid: each run's agent is a user of its own; network, processes and /tmp are the machine's",
    SandboxKind.NONE: "none, as was asked for: agents may do all that Orch's own user may",
}


class DoctorSettings(StateSettings):
    """What of a runner's settings the examination needs."""

    sandbox: SandboxKind | None = None
    network: Network = Network.FULL
    hosts: tuple[str, ...] | str = ()
    private_key_file: Place | None = None


async def examine_set_up(config: Path | None = None) -> list[Check]:
    """Return what was found of the settings, of the App that they name, and of the agents."""
    sources = find_sources(config)
    checked = check_settings(ServeSettings, sources)
    agents = await _agents(sources)
    if isinstance(checked, list):
        return [_settings(checked, sources), *agents]
    return [Check("settings", Result.OK, "complete"), *await examine_app(checked, SystemClock()), *agents]


def _settings(problems: list[str], sources: Sources) -> Check:
    """Tell what is wrong; that nothing of an App is set is no mistake on a machine for `orch local`."""
    if not sources.some_unread and not {"app_id", "private_key", "private_key_file"} & sources.given.keys():
        return Check("App", Result.NOTE, "none is set up", "`orch setup` makes one on GitHub")
    return Check("settings", Result.FAILED, "; ".join(problems), "`orch config show` says what is set where")


async def _agents(sources: Sources) -> list[Check]:
    settings = check_settings(AgentsSettings, sources)
    if isinstance(settings, list):
        return [Check("agents", Result.FAILED, "; ".join(settings), "mend the settings")]
    try:
        return [_agent(row) for row in await list_agents(settings) if row.used]
    except Permanent as error:
        return [Check("agents", Result.FAILED, str(error), "mend ORCH_AGENT_OPTIONS")]


def _agent(row: AgentRow) -> Check:
    if row.ready:
        return Check(f"agent {row.name}", Result.OK, row.version or "ready")
    return Check(f"agent {row.name}", Result.FAILED, row.lacks[0], "`orch agents` lists what there is")


async def examine(settings: DoctorSettings, config: Path | None = None) -> list[Check]:
    """Return what was found; `config` is the file that the settings came from, which agents must not read."""
    checks = [_git(), _bubblewrap(), _user_namespaces(), _disk(settings.state_dir)]
    try:
        sandbox = find_sandbox(settings.sandbox)
    except Permanent as error:
        return [*checks, Check("sandbox", Result.FAILED, str(error))]
    secret = (settings.private_key_file, config or DEFAULT_FILE, DOT_ENV)
    private = [place for place in secret if place and place.exists()]
    with _state(settings.state_dir) as state:
        network = settings.network if sandbox.kind is SandboxKind.BUBBLEWRAP else Network.FULL
        escapes = await break_out(sandbox, state, network, [place.resolve() for place in private])
    return [*checks, _active(sandbox), _limits(sandbox), _network(settings, sandbox), *map(_escape, escapes)]


def _git() -> Check:
    version = _version("git", "--version")
    if version is None:
        return Check("git", Result.FAILED, "not on PATH", "install it (Debian: apt-get install git)")
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_GIT:
        oldest = ".".join(map(str, OLDEST_GIT))
        return Check(
            "git", Result.FAILED, version, f"install git {oldest} or newer: older ones read other users' configuration"
        )
    return Check("git", Result.OK, version)


def _bubblewrap() -> Check:
    version = _version("bwrap", "--version")
    if version is None:
        return Check("bubblewrap", Result.NOTE, "not on PATH", "install it (Debian: apt-get install bubblewrap)")
    return Check("bubblewrap", Result.OK, version)


def _user_namespaces() -> Check:
    name = "user namespaces"
    tried = subprocess.run([sys.executable, "-I", "-S", "-c", UNSHARE], check=False)
    if tried.returncode == 0:
        return Check(name, Result.OK, "can be made")
    if os.geteuid() == 0:
        return Check(name, Result.NOTE, "cannot be made; as root, bubblewrap does without")
    return Check(name, Result.NOTE, "cannot be made", "allow them to Orch's user, or run Orch as root")


def _disk(state: Path) -> Check:
    place = next(folder for folder in (state.absolute(), *state.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    detail = f"{free / (1 << 30):.1f} GiB free for {state}"
    if free < LEAST_FREE:
        return Check("disk", Result.FAILED, detail, "make room, or set ORCH_STATE_DIR to a larger disk")
    if free < MUCH_FREE:
        return Check("disk", Result.NOTE, detail, "repositories and workspaces may need more")
    return Check("disk", Result.OK, detail)


def _active(sandbox: Sandbox) -> Check:
    result = Result.NOTE if sandbox.kind is SandboxKind.NONE else Result.OK
    advice = "unset ORCH_SANDBOX" if sandbox.kind is SandboxKind.NONE else ""
    return Check("sandbox", result, SEEN_AS[sandbox.kind], advice)


def _limits(sandbox: Sandbox) -> Check:
    if sandbox.kind is SandboxKind.NONE:
        return Check("limits", Result.NOTE, "none without a sandbox: memory and processes of agents are not limited")
    return Check(
        "limits",
        Result.NOTE,
        "memory, processor time and size of files are limited for each process, processes together; control groups,"
        " which would limit a run as a whole, are not used",
    )


def _network(settings: DoctorSettings, sandbox: Sandbox) -> Check:
    if settings.network is Network.FULL:
        return Check("network", Result.NOTE, "full: agents reach what this machine reaches", "see ORCH_NETWORK")
    if sandbox.kind is not SandboxKind.BUBBLEWRAP:
        return Check(
            "network", Result.FAILED, f"`{sandbox.kind}` cannot withhold it", "use bubblewrap or ORCH_NETWORK=full"
        )
    hosts = settings.hosts.split(",") if isinstance(settings.hosts, str) else settings.hosts
    try:
        named = [Allowed.parse(host).name for host in hosts if host.strip()]
    except ValueError as error:
        return Check("network", Result.FAILED, str(error), "mend ORCH_HOSTS")
    if settings.network is Network.HOSTS:
        return Check("network", Result.OK, f"the model and {', '.join(named) or 'no host'}")
    return Check("network", Result.OK, "nothing but the model")


def _escape(escape: Escape) -> Check:
    """Turn a way out into a check; one that is open though the sandbox promises otherwise is a failure."""
    name = f"agent: {escape.name}"
    if escape.prevented:
        return Check(name, Result.OK, f"prevented: {escape.detail}")
    advice = "do not let agents run like this, and please report it" if escape.required else ""
    return Check(name, Result.FAILED if escape.required else Result.NOTE, f"possible: {escape.detail}", advice)


def _version(*argv: str) -> str | None:
    try:
        said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\d+(\.\d+)+", said)
    return found[0] if found else None


@contextmanager
def _state(configured: Path) -> Iterator[Path]:
    """Yield the state directory, or one that stands for it where there is none yet."""
    if configured.is_dir():
        yield configured.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="orch-doctor-") as folder:
        yield Path(folder)
