"""Put a backup back: `orch restore`. All of it or nothing, and never over a state that is there."""

import errno
import json
import os
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from app.domain.errors import Permanent, UserError
from app.entry.backup import ARTIFACTS, DATABASES, FORMAT, MANIFEST, NAME, Contents, Kept, Reading
from app.settings import StateSettings
from infra.sqlite.snapshot import require_sound

NO_STATE = frozenset({"app", "lost+found"})
"""What may be in a state directory that is restored to: the App's key, as `orch setup` keeps it, and a disk's own."""
CHUNK = 1 << 20


def restore(settings: StateSettings, source: Path | None, *, with_store: bool = True) -> Kept:
    """Put back what is in a file, or comes on standard input, into a state directory that holds no state.

    Raises UserError if there is a state, and Permanent if the backup is damaged, not whole or of a newer Orch. Without
    the store, records are read back from GitHub.
    """
    state = settings.state_dir
    _require_no_state(state)
    state.mkdir(parents=True, exist_ok=True)
    left_out = () if with_store else ("store.db",)
    with tempfile.TemporaryDirectory(prefix=".restoring-", dir=state) as name, _opened(source) as file:
        folder = Path(name)
        kept = _unpack(file, folder, left_out)
        for database, schema in DATABASES.items():
            if (folder / database).exists():
                require_sound(folder / database, schema)
        for path in (*folder.rglob("*"), folder):
            _sync(path)
        _put(folder, state, [ARTIFACTS, *DATABASES])
    return kept


def _require_no_state(state: Path) -> None:
    found = sorted(path.name for path in state.iterdir() if path.name not in NO_STATE) if state.exists() else []
    if found:
        raise UserError(
            f"{state} holds {', '.join(found[:3])}{', ...' if found[3:] else ''}, and nothing is overwritten: stop Orch"
            " and move that away, or set ORCH_STATE_DIR to a new folder"
        )


@contextmanager
def _opened(source: Path | None) -> Iterator[IO[bytes]]:
    if source is None:
        yield sys.stdin.buffer
        return
    with source.open("rb") as file:
        yield file


def _unpack(file: IO[bytes], folder: Path, left_out: Sequence[str]) -> Kept:
    contents, manifest = Contents(), None
    try:
        with tarfile.open(fileobj=file, mode="r|") as tar:
            for member in tar:
                reading = Reading(tar.extractfile(member) or BytesIO())
                if member.name == MANIFEST:
                    manifest = json.loads(reading.read())
                else:
                    contents.files[member.name] = _take(reading, folder, member)
        kept = _check(manifest, contents)
    except (tarfile.TarError, EOFError, KeyError, TypeError, ValueError) as error:
        raise Permanent(f"this is no backup of Orch, or not all of one: {error}") from error
    for name in left_out:
        (folder / name).unlink(missing_ok=True)
    return kept


def _take(reading: Reading, folder: Path, member: tarfile.TarInfo) -> tuple[int, str]:
    """Write a file of the backup; returns its size and SHA-256."""
    names = member.name.split("/")
    known = member.name in DATABASES or (names[0] == ARTIFACTS and len(names) > 1)
    if not known or not member.isreg() or not all(NAME.fullmatch(name) and name.strip(".") for name in names):
        raise ValueError(f"it holds {member.name!r}")
    path = folder.joinpath(*names)
    path.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with path.open("xb") as file:
        while data := reading.read(CHUNK):
            size += file.write(data)
    return size, reading.digest


def _check(manifest: Any, contents: Contents) -> Kept:
    if manifest is None:
        raise ValueError("its end is missing")
    if manifest["format"] != FORMAT:
        raise Permanent(f"this backup has format {manifest['format']}, this Orch knows {FORMAT}: use the Orch of then")
    told = {name: (size, digest) for name, (size, digest) in manifest["files"].items()}
    wrong = sorted(name for name in told.keys() | contents.files.keys() if told.get(name) != contents.files.get(name))
    if wrong:
        raise Permanent(f"this backup is damaged: {wrong[0]} is not as it was written")
    return contents.kept(datetime.fromisoformat(manifest["made_at"]))


def _put(folder: Path, state: Path, names: Sequence[str]) -> None:
    """Move all into place, the queue last; an Orch that was started meanwhile has made files of its own, and stays."""
    done: list[str] = []
    try:
        for name in names:
            if (folder / name).is_dir():
                (folder / name).rename(state / name)
            elif (folder / name).exists():
                os.link(folder / name, state / name)  # which a rename would write over
            else:
                continue
            done.append(name)
    except OSError as error:
        for name in done:
            (state / name).rename(folder / name)
        if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
            raise
        raise UserError(f"{state} came into use meanwhile; nothing was restored") from error
    _sync(state)


def _sync(path: Path) -> None:
    """Wait until it is on the disk: what GitHub was told is safe is among it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
