"""The sandboxes that need no namespaces: a user of its own for each run, and none at all."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app.domain.errors import Permanent
from runner.sandbox.base import Confined, Confinement, SandboxKind, require_full_network
from runner.sandbox.orders import start_inside
from runner.sandbox.owners import User, group_of, handed_over, lease_user, open_to_all, take_back


@dataclass(frozen=True, slots=True)
class OwnUser:
    """Runs each agent as a user of its own, whom file modes keep out of everything else; for a runner that is root.

    The agent has the machine's network. Where a machine gives its credentials to whoever asks at the right path, as ECS
    does, what keeps them from the agent is that it cannot read that path: it is in the runner's environment alone.
    """

    kind: SandboxKind = SandboxKind.UID

    @classmethod
    def find(cls) -> "OwnUser":
        """Raise Permanent if the runner is not root."""
        if os.geteuid() != 0:
            raise Permanent("users of their own for runs (`uid`) need a runner that is root")
        return cls()

    @asynccontextmanager
    async def confine(
        self, argv: Sequence[str], env: Mapping[str, str], confinement: Confinement
    ) -> AsyncIterator[Confined]:
        """Hand the run's files over, and close by mode what is private and not yet closed."""
        require_full_network(self.kind, confinement)
        async with AsyncExitStack() as stack:
            group = await asyncio.to_thread(_shut, confinement)
            user = stack.enter_context(lease_user((group,)))
            _take_back_left_behind(confinement, user)
            await stack.enter_async_context(handed_over(confinement.own, user))
            yield Confined(*start_inside(argv, env, confinement, user, None))


@dataclass(frozen=True, slots=True)
class Unconfined:
    """Keeps an agent from nothing that the runner's user may do."""

    kind: SandboxKind = SandboxKind.NONE

    @asynccontextmanager
    async def confine(
        self, argv: Sequence[str], env: Mapping[str, str], confinement: Confinement
    ) -> AsyncIterator[Confined]:
        require_full_network(self.kind, confinement)
        yield Confined(tuple(argv), dict(env))


def _shut(confinement: Confinement) -> int:
    """Let the runs of this repository come to their workspaces and mirror, and no agent to anything private."""
    mirror = confinement.mirror.parent
    group = group_of(mirror)
    open_to_all(confinement.mirror)
    way = set(confinement.workspace.parents)
    for place in (each.resolve() for each in confinement.private if each.exists()):
        for each in [place, *(place.iterdir() if place in way else ())]:
            if each != mirror and not each.is_symlink():
                _close(each, is_way=each in way)
    for place in way:
        if place.is_relative_to(mirror) and place != mirror:
            place.chmod(place.stat().st_mode | 0o001)
    _require_way(confinement, mirror)
    return group


def _close(place: Path, *, is_way: bool) -> None:
    mode = stat.S_IMODE(place.stat().st_mode)
    wanted = mode & 0o770 | is_way
    try:
        if mode != wanted:
            place.chmod(wanted)
    except OSError as error:
        raise Permanent(
            f"agents with users of their own may read {place}: {error.strerror}; close it to others"
        ) from error


def _require_way(confinement: Confinement, mirror: Path) -> None:
    shut = [
        place
        for place in reversed(confinement.workspace.parents)
        if place != mirror and not place.stat().st_mode & 0o001
    ]
    if shut:
        raise Permanent(
            f"agents with users of their own cannot come to their workspaces through {shut[0]}: keep Orch's state"
            f" elsewhere (ORCH_STATE_DIR), or `chmod o+x {shut[0]}`"
        )


def _take_back_left_behind(confinement: Confinement, user: User) -> None:
    """Shut what a killed runner left to whoever was this user then."""
    for door in confinement.mirror.parent.parent.glob("*/tasks/*/*"):
        if not door.is_symlink() and door.is_dir() and door.stat().st_uid == user.uid:
            take_back(door)
