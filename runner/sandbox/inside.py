"""Stand first inside a sandbox: take what is left of rights away, start the agent, and say how it ended.

Executed as `python -I -S inside.py SPEC ARGV...`, SPEC being JSON. With `init` it is the first process of its pid
namespace: it forwards ports to unix sockets, passes SIGTERM and SIGINT on, reaps, and tells `runner/supervise.py` on
fd 3 how the agent ended. Without, it becomes the agent. Nothing that the agent may write to is ever trusted here.
"""
# pathlib would be most of the start-up time, and this starts with every run:
# ruff: noqa: PTH123

import ctypes
import json
import os
import resource
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Any

TELL = 3
STARTED = b"started\n"

_CHUNK = 1 << 16
_CANNOT_START = 127
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CAPABILITIES_V3 = 0x20080522
_MAY_KILL = 1 << 5
_PASSED_ON = (signal.SIGTERM, signal.SIGINT)
_TAKEN = {signal.SIGCHLD, *_PASSED_ON}
_UNCHANGEABLE = {signal.SIGKILL, signal.SIGSTOP}
_libc = ctypes.CDLL(None, use_errno=True)


def become_agent(spec: dict[str, Any], argv: list[str], env: dict[bytes, bytes]) -> None:
    """Turn this process into the agent; never returns."""
    try:
        parent = os.getppid()
        for number in signal.valid_signals() - _UNCHANGEABLE:
            signal.signal(number, signal.SIG_DFL)  # Python itself ignores SIGPIPE
        drop_rights(spec)
        _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))  # another uid made the kernel forget it
        if os.getppid() != parent:
            return
        os.chdir(spec["cwd"])
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execvpe(argv[0], argv, env)  # noqa: S606 - no shell is the point
    except (OSError, ValueError, ImportError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        os.write(2, f"cannot start {argv[0]} in {spec['cwd']}: {why}\n".encode(errors="surrogateescape"))
    finally:
        os._exit(_CANNOT_START)


def drop_rights(spec: dict[str, Any]) -> None:
    """Become the run's own user, where there is one, for good, and keep to the limits."""
    if spec["user"]:
        uid, gid, groups = spec["user"]
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    if not spec["nesting"]:
        forbid_namespaces()
    for number, value in spec["rlimits"]:
        resource.setrlimit(number, (value, value))


def forbid_namespaces() -> None:
    """Enter a last user namespace in which none can be made: they open much of the kernel to whoever is in one.

    Where that does not work the agent cannot make one either, or none that is of use; there is no way back, so a child
    goes first.
    """
    scout = os.fork()
    if scout == 0:
        with suppress(OSError):
            enter_last_namespace()
            os._exit(0)
        os._exit(1)
    if os.waitpid(scout, 0)[1] == 0:
        enter_last_namespace()


def enter_last_namespace() -> None:
    uid, gid = os.getuid(), os.getgid()
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0))  # or, after another uid, /proc/self is root's
    _check(_libc.unshare(_CLONE_NEWUSER))
    for path, text in (
        ("/proc/self/setgroups", "deny"),
        ("/proc/self/uid_map", f"{uid} {uid} 1"),
        ("/proc/self/gid_map", f"{gid} {gid} 1"),
        ("/proc/sys/user/max_user_namespaces", "0"),  # of this namespace alone
    ):
        with open(path, "w") as file:
            file.write(text)


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


# The first process of a pid namespace


def be_first(spec: dict[str, Any], argv: list[str], env: dict[bytes, bytes]) -> int:
    """Start the agent, wait until it ends, and return the exit code; what it left behind ends with this process."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _TAKEN)
    os.set_inheritable(TELL, False)
    listening = [(socket.create_server(("127.0.0.1", port)), path) for port, path in spec["forwards"]]
    os.write(TELL, STARTED)
    agent = os.fork()
    if agent == 0:
        os.setsid()
        become_agent(spec, argv, env)
    _check(_libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0))  # an agent of the same user may not look into this process
    keep_capabilities(_MAY_KILL if spec["user"] else 0)
    let_go_of_streams()
    for listener, path in listening:
        threading.Thread(target=forward, args=(listener, path), daemon=True).start()
    status, reaped = wait_for(agent)
    os.write(TELL, b"%d %d\n" % (status, reaped))
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def keep_capabilities(kept: int) -> None:
    """Give up what was needed to become the run's user, but for the set `kept`."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)(kept, kept)))


def let_go_of_streams() -> None:
    """Leave the streams to the agent: what it closes is closed."""
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)


def wait_for(agent: int) -> tuple[int, int]:
    """Pass signals on and reap until the agent has ended; return its wait status and how many ended in all."""
    reaped = 0
    while True:
        number = signal.sigwait(_TAKEN)
        if number in _PASSED_ON:
            send(agent, number)
            continue
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            reaped += 1
            if pid == agent:
                return status, reaped


def send(agent: int, number: int) -> None:
    try:
        os.killpg(agent, number)
    except ProcessLookupError:  # it has no group of its own yet
        os.kill(agent, number)


# Ports


def forward(listener: socket.socket, path: str) -> None:
    """Join every connection to the unix socket, for ever."""
    while True:
        near, _ = listener.accept()
        threading.Thread(target=join, args=(near, path), daemon=True).start()


def join(near: socket.socket, path: str) -> None:
    with near, socket.socket(socket.AF_UNIX) as far, suppress(OSError):
        far.connect(path)
        back = threading.Thread(target=copy, args=(far, near), daemon=True)
        back.start()
        copy(near, far)
        back.join()


def copy(source: socket.socket, sink: socket.socket) -> None:
    """Copy until the end and pass the end on; an error ends both ways."""
    try:
        while data := source.recv(_CHUNK):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def given_environment(spec: dict[str, Any]) -> dict[bytes, bytes]:
    """Return the agent's environment as it was given: the interpreter and the sandbox have added to their own."""
    with open("/proc/self/environ", "rb") as file:
        pairs = dict(pair.split(b"=", 1) for pair in file.read().split(b"\0") if b"=" in pair)
    given = {os.fsencode(name): pairs[os.fsencode(name)] for name in spec["names"]}
    return given | {os.fsencode(name): os.fsencode(value) for name, value in spec["late"].items()}


def main() -> None:
    """Do as the specification says."""
    spec, argv = json.loads(sys.argv[1]), sys.argv[2:]
    env = given_environment(spec)
    if spec["init"]:
        os._exit(be_first(spec, argv, env))
    become_agent(spec, argv, env)


if __name__ == "__main__":
    main()
