"""Agents in namespaces of their own, made by bubblewrap.

As root, the agent becomes a user of its own inside. Root inside would be root outside to the kernel: tried, such a
process set /proc/sys/kernel/core_pattern of the whole machine from within user, pid and mount namespaces, and without
a capability.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app.domain.errors import Permanent
from runner.egress import egress
from runner.sandbox.base import Confined, Confinement, Network, SandboxKind
from runner.sandbox.orders import start_inside
from runner.sandbox.owners import User, handed_over, lease_user, open_to_all
from runner.sandbox.places import visible, write_accounts

INSTALL = "install bubblewrap (Debian: apt-get install bubblewrap)"
PROXY_PORT = 3128
PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
ALONE = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "orch")
# The first process ends with bubblewrap and everything ends with it. No --new-session: the supervisor has made one, and
# without a controlling terminal there is none to push input into.
TIED = ("--die-with-parent", "--as-pid-1", "--chdir", "/", "--cap-drop", "ALL")
TO_BECOME_ANOTHER = ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_KILL")


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """Shows an agent its own files, the system's and nothing else, in namespaces of its own."""

    program: str
    kind: SandboxKind = SandboxKind.BUBBLEWRAP

    @classmethod
    def find(cls) -> "Bubblewrap":
        """Locate bubblewrap; raises Permanent if it is not installed."""
        program = shutil.which("bwrap")
        if program is None:
            raise Permanent(f"bubblewrap is not on PATH: {INSTALL}")
        return cls(program)

    @asynccontextmanager
    async def confine(
        self, argv: Sequence[str], env: Mapping[str, str], confinement: Confinement
    ) -> AsyncIterator[Confined]:
        """Hand the run's files over where it has a user of its own, and keep the proxy to its hosts going."""
        async with AsyncExitStack() as stack:
            own = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="orch-sandbox-")))
            user = await self._own_user(stack, confinement)
            write_accounts(own, *((user.uid, user.gid) if user else (os.geteuid(), os.getegid())), confinement.home)
            ports = await self._ports(stack, own, confinement)
            given = dict(env) | (_proxy_names(confinement) if confinement.network is Network.HOSTS else {})
            inside = [(port, f"/run/orch/{port}.sock") for port, _ in ports]
            start, early = start_inside(argv, given, confinement, user, inside)
            sockets = [(socket, name) for (_, socket), (_, name) in zip(ports, inside, strict=True)]
            shown = visible(confinement, own, sockets)
            yield Confined((self.program, *_apart(confinement, user), *shown, "--", *start), early, sandboxed=True)

    async def _own_user(self, stack: AsyncExitStack, confinement: Confinement) -> User | None:
        if os.geteuid() != 0:
            return None
        user = stack.enter_context(lease_user())
        await asyncio.to_thread(open_to_all, confinement.mirror)
        await stack.enter_async_context(handed_over(confinement.own, user))
        return user

    async def _ports(self, stack: AsyncExitStack, own: Path, confinement: Confinement) -> list[tuple[int, Path]]:
        """Return the ports inside, with the unix socket that each leads to."""
        ports = []
        if confinement.network is not Network.FULL and confinement.gateway and confinement.port:
            ports.append((confinement.port, confinement.gateway))
        if confinement.network is Network.HOSTS:
            await stack.enter_async_context(egress(own / "egress.sock", confinement.hosts))
            ports.append((_proxy_port(confinement), own / "egress.sock"))
        return ports


def _apart(confinement: Confinement, user: User | None) -> list[str]:
    rights = TO_BECOME_ANOTHER if user else ("--unshare-user",)
    network = () if confinement.network is Network.FULL else ("--unshare-net",)
    return [*ALONE, *TIED, *rights, *network]


def _proxy_port(confinement: Confinement) -> int:
    return PROXY_PORT + (confinement.port == PROXY_PORT)


def _proxy_names(confinement: Confinement) -> dict[str, str]:
    address = f"http://127.0.0.1:{_proxy_port(confinement)}"
    return dict.fromkeys(PROXY_NAMES, address) | {
        "NO_PROXY": "localhost,127.0.0.1",
        "no_proxy": "localhost,127.0.0.1",
        "NODE_USE_ENV_PROXY": "1",
    }
