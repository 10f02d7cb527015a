"""What every sandbox is told and gives back."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from app.domain.errors import Permanent

INTERPRETER = str(Path(sys.executable).resolve())
INSIDE = str(Path(__file__).resolve().with_name("inside.py"))


class SandboxKind(StrEnum):
    """What stands between an agent and the machine."""

    BUBBLEWRAP = "bubblewrap"
    UID = "uid"
    NONE = "none"


class Network(StrEnum):
    """What an agent reaches besides its model."""

    FULL = "full"
    HOSTS = "hosts"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Confinement:
    """What one run's agent may see, write and use; all paths are absolute.

    `workspace`, `home` and `tmp` may be written; they and what lies in them belong to the run. `mirror` is the bare
    repository that git in the workspace reads, the only thing besides it in a directory of its own; `readable` is where
    the agent's program is installed. Nothing under `private` is ever seen: state, keys, other workspaces.

    With a network that is not full the agent finds the unix socket `gateway` at 127.0.0.1:`port`, and `hosts` (as
    `runner.egress` takes them) through a proxy that its environment names. With a full network it shares the machine's
    network, abstract sockets included.

    Limits: `memory_bytes` is of writable memory and per process, as are `cpu_seconds` and `file_bytes`; `processes` are
    counted together. None is no limit. `nesting` lets programs make namespaces of their own, as browsers do.
    """

    workspace: Path
    home: Path
    tmp: Path
    mirror: Path
    readable: tuple[Path, ...] = ()
    private: tuple[Path, ...] = ()
    network: Network = Network.FULL
    gateway: Path | None = None
    port: int | None = None
    hosts: tuple[str, ...] = ()
    memory_bytes: int | None = None
    processes: int | None = None
    cpu_seconds: int | None = None
    file_bytes: int | None = None
    nesting: bool = False

    @property
    def own(self) -> tuple[Path, Path, Path]:
        """The places that are the run's own."""
        return self.workspace, self.home, self.tmp


@dataclass(frozen=True, slots=True)
class Confined:
    """What to start instead. `sandboxed`: a process stands before the agent, and `supervise` must know of it."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    sandboxed: bool = False


class Sandbox(Protocol):
    """One way to keep an agent apart from the machine."""

    @property
    def kind(self) -> SandboxKind: ...

    def confine(
        self, argv: Sequence[str], env: Mapping[str, str], confinement: Confinement
    ) -> AbstractAsyncContextManager[Confined]:
        """Hand the run's files over to the agent, and return what to start; leaving takes the files back.

        All that the agent finds in them must be there before. Raises Permanent where the sandbox cannot do it.
        """
        ...


def require_full_network(kind: SandboxKind, confinement: Confinement) -> None:
    """Raise Permanent if the network is to be withheld by a sandbox that cannot."""
    if confinement.network is not Network.FULL:
        raise Permanent(f"the sandbox `{kind}` cannot withhold the network; use bubblewrap, or set ORCH_NETWORK=full")
