"""Paths that one task holds against the others of its repository."""

from collections.abc import Iterable, Iterator, Sequence

WHOLE = "**"
"""Everything in the repository."""
MOST = 50
"""Paths that one task may hold: more of them are held as the directories that they are in."""
MOST_TEXT = 400
_WILD = frozenset("*?[")


def overlap(one: str, other: str) -> bool:
    """Say whether the paths are equal, or one is a directory above the other.

    A wildcard stands for all in the directory that it is in: `src/*.py` overlaps with what `src` does.
    """
    one, other = _root(one), _root(other)
    return one == other or _is_above(one, other) or _is_above(other, one)


def conflicts(wanted: Iterable[str], held: Iterable[str]) -> str | None:
    """Return the first of the held paths that overlaps with one of the wanted, None if none does."""
    wanted = tuple(wanted)
    return next((path for path in held if any(overlap(path, one) for one in wanted)), None)


def widen(locks: Iterable[str], touched: Iterable[str]) -> tuple[str, ...]:
    """Add paths to locks, which then are at most `MOST`: what one covers is left out, and many are held as directories.

    Never is less held than before.
    """
    paths = _distinct([*locks, *touched])
    depth = max((path.count("/") for path in paths), default=0)
    while len(paths) > MOST:
        paths, depth = _distinct(_cut(path, depth) for path in paths), depth - 1
    return paths


def outside(locks: Iterable[str], touched: Iterable[str]) -> tuple[str, ...]:
    """List those of the touched paths that none of the locks covers."""
    roots = {_root(path) for path in locks}
    return tuple(path for path in touched if roots.isdisjoint(_upwards(_root(path))))


def take_paths(values: Iterable[object]) -> tuple[str, ...]:
    """Return paths in the one way to write them, without repetitions; raises ValueError with what is wrong in one.

    They are relative to the root of the repository, `/` between their parts; `.` is the whole repository.
    """
    return tuple(dict.fromkeys(_take(value) for value in values))


class Claims:
    """What the tasks of a repository hold, in the order of who came first."""

    def __init__(self, holders: Sequence[tuple[int, Iterable[str]]]) -> None:
        self._places = {owner: place for place, (owner, _) in enumerate(holders)}
        self._at = dict[str, tuple[int, int, str]]()
        self._above = dict[str, tuple[int, int, str]]()
        for place, (owner, paths) in enumerate(holders):
            for path in paths:
                self._add((place, owner, path))

    def _add(self, claim: tuple[int, int, str]) -> None:
        root, *directories = _upwards(_root(claim[2]))
        self._at.setdefault(root, claim)
        for directory in directories:
            self._above.setdefault(directory, claim)

    def stopping(self, task: int, wanted: Iterable[str]) -> tuple[int, str] | None:
        """Return who stops a task from having the paths, and with which path: whoever of them came first.

        A task that holds something is stopped by those only who came before it: it has begun, and two that
        have would wait for each other for ever.
        """
        before = self._places.get(task, len(self._places))
        found = [claim for path in wanted for claim in self._overlapping(_root(path)) if claim[0] < before]
        return min(found)[1:] if found else None

    def _overlapping(self, root: str) -> Iterator[tuple[int, int, str]]:
        if root in self._above:
            yield self._above[root]
        for path in _upwards(root):
            if path in self._at:
                yield self._at[path]


def _root(path: str) -> str:
    """Return the path without what follows its first wildcard; empty for the root of the repository."""
    if _WILD.isdisjoint(path):
        return path
    parts = path.split("/")
    return "/".join(parts[: next(index for index, part in enumerate(parts) if not _WILD.isdisjoint(part))])


def _is_above(directory: str, path: str) -> bool:
    return not directory or path.startswith(f"{directory}/")


def _upwards(path: str) -> Iterator[str]:
    """Go from the path to the root of the repository."""
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield ""


def _distinct(paths: Iterable[str]) -> tuple[str, ...]:
    """Leave out what another path covers, and repetitions."""
    kept = {_root(path): path for path in reversed([*paths])}
    covered = [root for root in kept if root and not kept.keys().isdisjoint(list(_upwards(root))[1:])]
    for root in covered:
        del kept[root]
    return tuple(reversed(kept.values()))


def _cut(path: str, depth: int) -> str:
    """Return the directory of a path that has so many above it."""
    if path.count("/") < depth:
        return path
    return path.rpartition("/")[0] or WHOLE


def _take(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"`{value}` is no path: write a text as in `src/app`")
    path = value.strip()
    if len(path) > MOST_TEXT or not path.isprintable():
        raise ValueError(f"`{path[:40]!s}` is no path: at most {MOST_TEXT} characters, all of them printable")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith(("/", "~")) or ".." in parts or "\\" in path:
        raise ValueError(f"`{path}` must be relative to the root of the repository, without `..` or a backslash")
    return "/".join(parts) or WHOLE
