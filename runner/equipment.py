"""What the runs of one runner share, and how each agent is set up on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.ports import Artifacts
from app.redaction import Redaction
from runner.agents.base import Agent
from runner.gateway.account import Upstream
from runner.sandbox import Network, Sandbox

if TYPE_CHECKING:
    from runner.gateway.server import Gateway


@dataclass(frozen=True, slots=True)
class AgentSetup:
    """One agent on this runner.

    `make` returns an adapter for one run. `upstream` is where its model is, None if it has none or finds it by itself.
    `program` is what was found on PATH, `missing` says what keeps it from running.
    """

    make: Callable[[], Agent]
    program: Path | None = None
    model: str | None = None
    upstream: Upstream | None = None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a runner has; `gateway` is None if no agent needs one.

    `artifacts` keep transcripts; `redaction` is applied before anything is kept. For `gather_seconds` a transcript is
    gathered before it is kept.
    The gateway listens on `socket`, too, where agents have no network. Agents may read `readable`, never `private`.
    """

    agents: Mapping[str, AgentSetup]
    sandbox: Sandbox
    gateway: "Gateway | None"
    artifacts: Artifacts
    redaction: Redaction
    socket: Path | None = None
    network: Network = Network.FULL
    hosts: tuple[str, ...] = ()
    readable: tuple[Path, ...] = ()
    private: tuple[Path, ...] = ()
    gather_seconds: float = 1.0
