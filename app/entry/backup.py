"""Copy the state on this machine while Orch works on it: `orch backup`.

Both databases are copied as of one moment, which is the state that a kill at that moment would have left, and which
Orch goes on from. One after the other would not do: of the queue first, an event or job that was sent before the store
was copied would be in neither; of the store first, a delivery that was handled before the queue was copied. Artifacts
are copied last: none is ever removed, so that all that the databases name are there.
"""

import json
import os
import re
import sqlite3
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from app.domain.errors import UserError
from app.entry.state import require_state
from app.settings import StateSettings
from infra.sqlite.database import Schema
from infra.sqlite.migrations import QUEUE, STORE
from infra.sqlite.snapshot import copy_at_one_moment

FORMAT = 1
MANIFEST = "manifest.json"
ARTIFACTS = "artifacts"
DATABASES: Mapping[str, Schema] = {"store.db": STORE, "queue.db": QUEUE}
NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Kept:
    """What a backup holds. `made_at` is the moment that it shows."""

    made_at: datetime
    files: int
    bytes: int
    store: bool


@dataclass(slots=True)
class Contents:
    """The files of a backup: size and SHA-256 of each."""

    files: dict[str, tuple[int, str]] = field(default_factory=dict)

    def kept(self, made_at: datetime) -> Kept:
        sizes = [size for size, _ in self.files.values()]
        return Kept(made_at, len(sizes), sum(sizes), "store.db" in self.files)


class Reading:
    """A file that notes what is read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._digest = file, sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        return data

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


def back_up(settings: StateSettings, target: Path | None) -> Kept:
    """Write queue, store and artifacts to a new file, or to standard output; raises UserError if the file is there.

    Repositories are left out, as they come back from GitHub, and so is what Orch is set up with: settings and keys.
    """
    require_state(settings, settings.queue_file)
    if target is None:
        with tempfile.TemporaryDirectory(prefix=".orch-backup-", dir=settings.state_dir) as folder:
            return _write(settings.state_dir, Path(folder), sys.stdout.buffer)
    with _new_file(target) as (file, folder):
        return _write(settings.state_dir, folder, file)


@contextmanager
def _new_file(target: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """Yield a file that becomes `target` when all is written, and a folder on the same disk."""
    try:
        with tempfile.TemporaryDirectory(prefix=".orch-backup-", dir=target.parent) as folder:
            whole = Path(folder, "whole")
            with whole.open("wb") as file:
                whole.chmod(0o600)
                yield file, Path(folder)
                file.flush()
                os.fsync(file.fileno())
            os.link(whole, target)
    except FileExistsError:
        raise UserError(f"{target} is there already; name a new file") from None


def _write(state: Path, folder: Path, out: IO[bytes]) -> Kept:
    contents, made_at = Contents(), datetime.now(UTC)
    names = [name for name in DATABASES if (state / name).exists()]
    try:
        copy_at_one_moment({state / name: folder / name for name in names})
    except sqlite3.Error as error:
        raise UserError(f"{state} cannot be read: {error}") from error
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            _add(tar, name, folder / name, contents)
        for path in sorted((state / ARTIFACTS).rglob("*")):
            if path.is_file() and NAME.fullmatch(path.name):  # not what is just being written
                _add(tar, path.relative_to(state).as_posix(), path, contents)
        _add_manifest(tar, {"format": FORMAT, "made_at": made_at.isoformat(), "files": contents.files})
    return contents.kept(made_at)


def _add(tar: tarfile.TarFile, name: str, path: Path, contents: Contents) -> None:
    """Add a file as long as it is now; what is added to it meanwhile is for the next backup."""
    with path.open("rb") as file:
        info, reading = tarfile.TarInfo(name), Reading(file)
        found = os.fstat(file.fileno())
        info.size, info.mtime, info.mode = found.st_size, found.st_mtime, 0o600
        tar.addfile(info, reading)
    contents.files[name] = (info.size, reading.digest)


def _add_manifest(tar: tarfile.TarFile, manifest: Mapping[str, Any]) -> None:
    data = json.dumps(manifest).encode()
    info = tarfile.TarInfo(MANIFEST)
    info.size, info.mode = len(data), 0o600
    tar.addfile(info, BytesIO(data))
