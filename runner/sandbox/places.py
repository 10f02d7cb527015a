"""What of the file system an agent sees under bubblewrap, as bubblewrap's options."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import runner
from runner.sandbox.base import Confinement

SYSTEM = Path("/usr")
LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
ETC = [
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "debian_version",
    "fonts",
    "gai.conf",
    "host.conf",
    "hosts",
    "inputrc",
    "java-*",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "pki/ca-trust",
    "pki/tls/certs",
    "protocols",
    "python3*",
    "resolv.conf",
    "services",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
]
"""What programs look for; never what may hold a secret: shadow, private keys, configuration of git, pip or npm."""
BARE = ("--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm")  # noqa: S108 - its own
FOLDERS = (Path("/run"), Path("/etc"), Path("/opt"))
TMP, VAR_TMP = Path("/tmp"), Path("/var/tmp")  # noqa: S108 - the agent's own


def visible(confinement: Confinement, accounts: Path, sockets: Sequence[tuple[Path, str]]) -> list[str]:
    """Return the options that make up all an agent sees.

    `accounts` holds the passwd and group to show; `sockets` are to be found inside under another name.
    """
    readable = [place.absolute() for place in (*confinement.readable, *_interpreter()) if place.exists()]
    never = (*confinement.private, confinement.mirror.parent.parent)  # where all repositories and workspaces are
    return [
        *BARE,
        *_folders({*FOLDERS, *_ways(_etc())}),
        *_system(),
        *_private_tmp(confinement, readable),
        *_folders(_ways(readable)),
        *(word for place in readable if not _is_under(place, SYSTEM) for word in _same("--ro-bind", place)),
        *_hidden(never, [SYSTEM, *_others_of_opt(), *readable]),
        *_folders(_ways([*confinement.own, confinement.mirror])),
        *(word for place in confinement.own for word in _same("--bind", place)),
        *_same("--ro-bind", confinement.mirror),
        *(word for name in ("passwd", "group") for word in ("--ro-bind", str(accounts / name), f"/etc/{name}")),
        *(word for socket, name in sockets for word in ("--ro-bind", str(socket), name)),
        *("--remount-ro", "/"),
    ]


def write_accounts(folder: Path, uid: int, gid: int, home: Path) -> None:
    """Write a passwd and a group that know the agent's user: programs ask for the name of their own."""
    (folder / "passwd").write_text(
        f"root:x:0:0::/:/usr/sbin/nologin\nagent:x:{uid}:{gid}::{home}:/bin/sh\n"
        "nobody:x:65534:65534::/:/usr/sbin/nologin\n"
    )
    (folder / "group").write_text(f"root:x:0:\nagent:x:{gid}:\nnogroup:x:65534:\n")
    for file in (folder / "passwd", folder / "group"):
        file.chmod(0o644)


def _same(option: str, place: Path) -> tuple[str, str, str]:
    return option, str(place), str(place)


def _interpreter() -> tuple[Path, ...]:
    """Name where Python and the drivers of the built-in agents are."""
    return tuple({Path(sys.prefix), Path(sys.base_prefix).resolve(), Path(runner.__file__).resolve().parent})


def _system() -> Iterator[str]:
    yield from _same("--ro-bind", SYSTEM)
    for place in map(Path, LINKS):
        if place.is_symlink():
            yield from ("--symlink", str(place.readlink()), str(place))
        elif place.is_dir():
            yield from _same("--ro-bind", place)
    for place in _others_of_opt():
        yield from _same("--ro-bind", place)
    for place in _etc():
        yield from _same("--ro-bind-try", place)


def _etc() -> list[Path]:
    return [place for pattern in ETC for place in sorted(Path("/etc").glob(pattern))]


def _others_of_opt() -> list[Path]:
    """List what others installed in /opt; what belongs to the runner's user may be Orch with its settings."""
    opt = Path("/opt")
    found = sorted(opt.iterdir()) if opt.is_dir() else []
    return [place for place in found if os.geteuid() == 0 or place.lstat().st_uid != os.geteuid()]


def _private_tmp(confinement: Confinement, readable: list[Path]) -> Iterator[str]:
    """Show the run's own as /tmp, or memory where something of the run itself has to be mounted below."""
    shown = (*readable, *confinement.own, confinement.mirror)
    for place in (TMP, VAR_TMP):
        if any(_is_under(each, place) for each in shown):
            yield from ("--perms", "1777", "--tmpfs", str(place))
        else:
            yield from ("--bind", str(confinement.tmp), str(place))


def _ways(places: Iterable[Path]) -> set[Path]:
    return {folder for place in places for folder in place.parents}


def _folders(folders: set[Path]) -> Iterator[str]:
    """Make directories: those that bubblewrap makes by itself are closed to all but who starts it."""
    for folder in sorted(folders - {Path("/")}):
        if not _is_under(folder, SYSTEM):
            yield from ("--perms", "0755", "--dir", str(folder))


def _hidden(never: Sequence[Path], shown: Sequence[Path]) -> Iterator[str]:
    for place in sorted({each.resolve() for each in never}):
        if place.exists() and any(_is_under(place, each) for each in shown):
            empty = ("--perms", "0755", "--tmpfs") if place.is_dir() else ("--ro-bind", os.devnull)
            yield from (*empty, str(place))


def _is_under(place: Path, folder: Path) -> bool:
    return place.is_relative_to(folder) or place.resolve().is_relative_to(folder.resolve())
