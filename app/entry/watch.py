"""A folder that is watched: a good ticket file becomes issues and goes to `done/`; a bad one stays where it is."""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.errors import Permanent, Retryable, UserError
from app.domain.tickets import BadTickets
from app.entry.enqueue import alone, make_issues, read_tickets
from app.entry.local_person import open_person
from app.entry.local_place import Place, Tell
from app.entry.stopping import stop_on_signals, unless

EVERY = 1.0
SUFFIXES = (".yml", ".yaml")

Seen = tuple[int, int]
"""When a file was written, and its size."""


@dataclass(slots=True)
class Watch:
    """What is known of a folder's files; `tell` says one line to the person."""

    folder: Path
    place: Place
    tell: Tell
    last: dict[Path, Seen] = field(default_factory=dict)
    refused: dict[Path, Seen] = field(default_factory=dict)
    told: str = ""

    async def forever(self) -> None:
        """Look every second; a file counts when it has not changed between two looks."""
        while True:
            await self.once()
            await asyncio.sleep(EVERY)

    async def once(self) -> None:
        """Take what is new and whole."""
        found = dict(self._files())
        settled = [path for path, seen in found.items() if self.last.get(path) == seen != self.refused.get(path)]
        self.last = found
        for path in settled:
            try:
                await self._take(path, found[path])
            except BadTickets as error:
                self.refused[path] = found[path]
                for problem in error.problems:
                    self.tell(f"refused: {problem}")
            except (UserError, Permanent, Retryable, OSError) as error:
                self._tell_once(f"{path.name} waits: {error}")

    def _files(self) -> Iterator[tuple[Path, Seen]]:
        for path in sorted(self.folder.iterdir()):
            if path.suffix in SUFFIXES and not path.name.startswith(".") and path.is_file():
                seen = path.stat()
                yield path, (seen.st_mtime_ns, seen.st_size)

    async def _take(self, path: Path, seen: Seen) -> None:
        """Make the file's issues, then move it; whoever is stopped between the two finds the issues again."""
        tickets = read_tickets([path])
        async with open_person(self.place.about()) as person:
            with alone(self.place):
                async for made in make_issues(person, tickets, f"{path.name}:{seen[0]}"):
                    self.tell(f"{path.name}: {made.line}")
        self._put_away(path)
        self.told = ""

    def _put_away(self, path: Path) -> None:
        done = self.folder / "done"
        done.mkdir(exist_ok=True)
        target, count = done / path.name, 1
        while target.exists():
            count += 1
            target = done / f"{path.stem}-{count}{path.suffix}"
        path.rename(target)

    def _tell_once(self, text: str) -> None:
        if text != self.told:
            self.told = text
            self.tell(text)


async def watch_folder(place: Place, folder: Path, tell: Tell) -> None:
    """Watch until SIGINT or SIGTERM."""
    stop = stop_on_signals()
    with watched(folder):
        tell(f"watching {folder} for {place.folder}; Ctrl-C stops")
        await unless(stop, Watch(folder, place, tell).forever())


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Be the only one who watches a folder. Raises UserError if that cannot be."""
    if not folder.is_dir():
        raise UserError(f"there is no directory {folder}: make it, and put ticket files into it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"{folder} cannot be written: what is done is moved to {folder / 'done'}")
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UserError(f"another `orch watch` watches {folder}") from None
    finally:
        os.close(descriptor)
