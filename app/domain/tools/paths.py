"""Where a path leads, told from its text alone: a symbolic link is just a name here, the sandbox knows better."""

from pathlib import PurePosixPath

from app.domain.tools.globs import ANY, is_marked, path_fits, path_may_fit

UNKNOWN = "$"
"""A path that is known only when it is used."""
HERE = "."
LONGEST = 4096


def locate(path: str, folder: str, workspace: PurePosixPath) -> str:
    """Spell where a path leads: `a/b` or `.` in the workspace, `/a/b` or `~/a` outside it, `$` if nobody can tell.

    A relative one begins at `folder`, which is itself spelled so.
    """
    if ANY in path or len(path) > LONGEST:
        return UNKNOWN
    if path.startswith("~"):
        return _at_home(path)
    if path.startswith("/"):
        return _inside(path, workspace)
    if folder == UNKNOWN:
        return UNKNOWN
    if folder.startswith("~"):
        return _at_home(f"{folder}/{path}")
    start = folder if folder.startswith("/") else f"{workspace}/{folder}"
    return _inside(f"{start}/{path}", workspace)


def is_outside(place: str) -> bool:
    """Say whether a place that `locate` spelled is outside the workspace, or may be."""
    return place == UNKNOWN or place.startswith(("/", "~"))


def covers(glob: str, place: str) -> bool:
    """Say whether the glob certainly covers a place that `locate` spelled; one never covers both inside and outside."""
    return _realm(glob) == _realm(place) and path_fits(glob, place)


def may_cover(glob: str, place: str) -> bool:
    """Say whether the glob covers what a shell may make of the place; of one that is not known, only `$` does."""
    return _realm(glob) == _realm(place) and path_may_fit(glob, place)


def _realm(path: str) -> str:
    return path[0] if path[0] in "/~$" else ""


def _at_home(path: str) -> str:
    """Spell a path that begins with a tilde; another person's home is a path like any other."""
    name, _, rest = path.partition("/")
    parts = _walk(rest)
    if parts is None:
        return UNKNOWN
    if name == "~" and parts[:1] != ["/"]:
        return "/".join([name, *parts])
    return "/" + "/".join(part for part in (name[1:], *parts) if part not in ("", "/"))


def _inside(path: str, workspace: PurePosixPath) -> str:
    parts, root = _walk(path), [part for part in str(workspace).split("/") if part]
    if parts is None:
        return UNKNOWN
    parts = [part for part in parts if part != "/"]
    if parts[: len(root)] != root:
        return "/" + "/".join(parts)
    inner = "/".join(parts[len(root) :])
    return UNKNOWN if inner.startswith(("~", UNKNOWN)) else inner or HERE


def _walk(path: str) -> list[str] | None:
    """Take the dots out; `/` stands first where the path climbs over its beginning. None: it may be anywhere."""
    parts: list[str] = []
    for part in path.split("/"):
        if part.startswith(".") and is_marked(part) and path_may_fit("..", part):
            return None
        if part == "..":
            parts = parts[:-1] if parts and parts[-1] != "/" else ["/"]
        elif part not in ("", "."):
            parts.append(part)
    return parts
