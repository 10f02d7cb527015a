"""A user of its own for each run, where the runner is root: nothing of the runner's, or of another run's, is its."""

import asyncio
import fcntl
import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.domain.errors import Permanent, Retryable

UIDS = range(62000, 63500)
GROUPS = range(63500, 65500)
"""One for each repository: its runs may read its mirror, and those of others may not."""


@dataclass(frozen=True, slots=True)
class User:
    """Whom an agent runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


@contextmanager
def lease_user(groups: tuple[int, ...] = ()) -> Iterator[User]:
    """Yield a user that no other run on this machine has, not even what is left of a run.

    A name that is bound stands for the lease, because the system itself ends it with the process.
    """
    for uid in UIDS:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as lease:
            try:
                lease.bind(f"\0orch-agent-user-{uid}")
            except OSError:
                continue
            if not _has_processes(uid):
                yield User(uid, uid, groups)
                return
    raise Retryable("no user is left for another run on this machine")


def _has_processes(uid: int) -> bool:
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and process.stat().st_uid == uid:
                return True
        except OSError:  # it ended meanwhile
            continue
    return False


@asynccontextmanager
async def handed_over(doors: Sequence[Path], user: User) -> AsyncIterator[None]:
    """Give the folders with all that is in them to the user, and take back at least the doors to them."""
    giving = asyncio.create_task(asyncio.to_thread(_give, doors, user), name="handing files over")
    try:
        await asyncio.shield(giving)
        yield
    finally:
        await asyncio.wait({giving})
        for door in doors:
            take_back(door)


def take_back(door: Path) -> None:
    """Make a folder the runner's again, so that the next who is that user cannot enter."""
    if door.is_dir() and not door.is_symlink():
        door.chmod(0o700)
        os.chown(door, os.geteuid(), os.getegid(), follow_symlinks=False)


def _give(doors: Sequence[Path], user: User) -> None:
    """An earlier run may have made hard links to what is not its own: what has two names is given to nobody."""
    for folder, _, files in (each for door in doors for each in os.walk(door)):
        os.chown(folder, user.uid, user.gid, follow_symlinks=False)
        for name in files:
            path = f"{folder}/{name}"
            found = os.lstat(path)
            if found.st_nlink == 1 or found.st_uid in UIDS:
                os.chown(path, user.uid, user.gid, follow_symlinks=False)


def open_to_all(repository: Path) -> None:
    """Let everybody read who comes to the directory, whatever umask its files were made with."""
    for folder, _, files in os.walk(repository):
        for path, wanted in ((folder, 0o005), *((f"{folder}/{name}", 0o004) for name in files)):
            try:
                mode = os.lstat(path).st_mode
                if mode & wanted != wanted and not stat.S_ISLNK(mode):
                    Path(path).chmod(stat.S_IMODE(mode) | wanted)
            except FileNotFoundError:  # a fetch goes on
                continue


def group_of(mirror: Path) -> int:
    """Return the group that may enter the directory of a mirror, and nobody else; it gets one the first time."""
    found = mirror.stat().st_gid
    if found not in GROUPS:
        found = _new_group(mirror)
        os.chown(mirror, os.geteuid(), found)
    mirror.chmod(0o710)
    return found


def _new_group(mirror: Path) -> int:
    fd = os.open(mirror.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        taken = {place.stat().st_gid for place in mirror.parent.iterdir()}
        free = next((gid for gid in GROUPS if gid not in taken), None)
        if free is None:
            raise Permanent(f"{mirror.parent} holds more repositories than this runner can keep apart: remove some")
        os.chown(mirror, os.geteuid(), free)
        return free
    finally:
        os.close(fd)
