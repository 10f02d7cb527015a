"""Try to get out of a sandbox from inside, and say of each way what came of it.

Fed to `python -I -S - TARGETS` on its standard input, TARGETS being JSON; prints one JSON object for each way. It harms
nothing: what it may kill or read was put there for it, or is opened and closed again; files it leaves are empty.
"""
# It runs without our packages, and where pathlib may not be readable:
# ruff: noqa: PTH118, PTH123, PTH208

import ctypes
import errno
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

_PTRACE_ATTACH, _PTRACE_DETACH = 16, 17
_CLONE_NEWUSER = 0x10000000
_libc = ctypes.CDLL(None, use_errno=True)


def first(targets: list[str], attempt: Callable[[str], str]) -> str:
    """Return what the first target that gives way gives; raises OSError of the last if none does."""
    failure: OSError = FileNotFoundError(errno.ENOENT, "there is none")
    for target in targets:
        try:
            return attempt(target)
        except OSError as error:
            failure = error
    raise failure


def read(path: str) -> str:
    with open(path, "rb") as file:
        file.read(1)
    return f"read {path}"


def look(folder: str) -> str:
    return f"saw {len(os.listdir(folder))} entries of {folder}"


def write_each(folders: list[str], name: str) -> str:
    """Leave a file wherever it goes: whether it is outside can be seen only from there."""
    got, failure = [], OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for folder in folders:
        try:
            os.close(os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            got.append(folder)
        except OSError as error:
            failure = error
    if not got:
        raise failure
    return f"wrote into {', '.join(got)}"


def open_to_write(path: str) -> str:
    os.close(os.open(path, os.O_WRONLY))
    return f"opened {path} for writing"


def connect(path: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        client.connect(path)
    return f"connected to {path}"


def reach(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), 2):
        return f"connected to 127.0.0.1:{port}"


def kill(pid: int) -> str:
    os.kill(pid, signal.SIGTERM)
    return f"signalled process {pid}"


def trace(pid: int) -> str:
    _check(_libc.ptrace(_PTRACE_ATTACH, pid, None, None))
    os.waitpid(pid, os.WUNTRACED)
    _libc.ptrace(_PTRACE_DETACH, pid, None, None)
    return f"traced process {pid}"


def mount(folder: str) -> str:
    _check(_libc.mount(b"none", folder.encode(), b"tmpfs", 0, None))
    _libc.umount(folder.encode())
    return f"mounted over {folder}"


def unshare() -> str:
    """Try it in a child: there is no way back."""
    child = os.fork()
    if child == 0:
        os._exit(_libc.unshare(_CLONE_NEWUSER) and ctypes.get_errno())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, os.strerror(code))
    return "made a user namespace"


def become_root() -> str:
    os.setuid(0)
    return f"became uid {os.getuid()}"


def _check(result: int) -> None:
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def ways(targets: dict[str, Any]) -> dict[str, Callable[[], str]]:
    """Name the ways out; what may end this process comes last."""
    victim = targets["victim"]
    return {
        "read Orch's keys and state": lambda: first(targets["secrets"], read),
        "read another workspace": lambda: first(targets["workspaces"], look),
        "write outside its own places": lambda: write_each(targets["outside"], targets["trace"]),
        "write to the mirror": lambda: write_each(targets["mirror"], targets["trace"]),
        "read /etc/shadow": lambda: read("/etc/shadow"),
        "read the runner's environment": lambda: read(f"/proc/{victim}/environ"),
        "signal the runner": lambda: kill(victim),
        "trace the runner": lambda: trace(targets["traced"]),
        "change a setting of the kernel": lambda: open_to_write("/proc/sys/kernel/core_pattern"),
        "reach the docker socket": lambda: first(targets["dockers"], connect),
        "reach a server on this machine": lambda: reach(targets["port"]),
        "mount a file system": lambda: mount(targets["mountpoint"]),
        "make a user namespace": unshare,
        "become root": become_root,
    }


def main() -> None:
    """Try every way."""
    for name, way in ways(json.loads(sys.argv[1])).items():
        try:
            got, why = way(), ""
        except OSError as error:
            got, why = "", os.strerror(error.errno) if error.errno else str(error)
        print(json.dumps({"name": name, "got": got, "why": why}), flush=True)


if __name__ == "__main__":
    main()
