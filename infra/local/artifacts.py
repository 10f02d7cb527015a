"""Artifacts on the local disk."""

import asyncio
import errno
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from app.domain.errors import Retryable
from infra.keys import names_of

DISK = frozenset({errno.EACCES, errno.EDQUOT, errno.EIO, errno.ENOSPC, errno.EPERM, errno.EROFS})


class DiskArtifacts:
    """Implement `app.ports.Artifacts` under one directory, made when first written to.

    Every method raises ValueError for a key that is none, and Retryable for a disk that cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    async def write(self, key: str, data: bytes) -> None:
        """Write all of it or nothing; it is on the disk when this returns."""
        await _writing(_write, self._path(key), data)

    async def append(self, key: str, data: bytes) -> None:
        """Add to the end, making the blob if it is missing."""
        await _writing(_append, self._path(key), data)

    async def read(self, key: str) -> bytes | None:
        return await asyncio.to_thread(_read, self._path(key))

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*names_of(key))


async def _writing(write: Callable[[Path, bytes], None], path: Path, data: bytes) -> None:
    try:
        await asyncio.to_thread(write, path, data)
    except OSError as error:
        if error.errno not in DISK:
            raise
        why = f"{path} cannot be written: {error.strerror}; is there room on the disk, and may Orch write there?"
        raise Retryable(why) from error


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix="~", dir=path.parent)  # no key holds a tilde
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    _sync_directory(path.parent)


def _append(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
