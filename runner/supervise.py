"""Run one agent, pass on what it prints, and leave no process of it behind.

Executed once per run as `python -I -S supervise.py` with a socket as fd 0; `runner.supervision` is the other end.
One file, because an interpreter that trusts no directory finds nothing beside it.
A sandbox stands between this and the agent: `runner/sandbox/inside.py`, its first process, says on fd 3 how the agent
itself ended, and passes signals on.
Linux only: it needs sub-reapers and /proc. Both ends speak frames: one byte kind, four bytes length, payload.
"""
# pathlib would be a third of the start-up time, and this starts with every run:
# ruff: noqa: PTH123, PTH208

import fcntl
import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterator

COMMAND, STDIN, HANGUP, STOP = b"c", b"i", b"h", b"s"  # to the supervisor
OUT, ERR, DROPPED, END = b"o", b"e", b"d", b"x"  # from it
HEADER_BYTES = 5
TOLD = b"started\n"  # by the first process inside, on fd 3, and then the agent's wait status and the count of reaped
KILL_SECONDS = 10.0

_CHUNK = 1 << 16
_OUTBOX_BYTES = 1 << 20
_NOTE_SECONDS = 0.25
_CANNOT_START = 127
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CAUGHT = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_HELD = (signal.SIGTERM, signal.SIGINT)
_UNCHANGEABLE = {signal.SIGKILL, signal.SIGSTOP}


class RunnerGoneError(Exception):
    """The other end of the socket is closed: nobody wants this run any more."""


class Order:
    """What the runner asked for, as the operating system takes it."""

    def __init__(self, text: bytes) -> None:
        fields = json.loads(text)
        self.argv = [_encode(word) for word in fields["argv"]]
        self.env = {_encode(name): _encode(value) for name, value in fields["env"].items()}
        self.cwd = _encode(fields["cwd"])
        self.lock = _encode(fields["lock"])
        self.interrupt_seconds = float(fields["interrupt_seconds"])
        self.grace_seconds = float(fields["grace_seconds"])
        self.output_bytes = int(fields["output_bytes"])
        self.has_stdin = bool(fields["has_stdin"])
        self.talks = bool(fields["talks"])
        self.sandboxed = bool(fields["sandboxed"])
        self.stdin = b""


class Reaper:
    """The one place that waits for children, so that no exit status is lost to a second waiter."""

    def __init__(self) -> None:
        self.agent = 0
        self.status: int | None = None
        self.reaped = 0
        self.user_seconds = self.system_seconds = 0.0
        self.max_rss_kib = 0

    def reap(self) -> bool:
        """Reap every child that has ended; say whether any child is left.

        Orphans become children of a sub-reaper, so "no child" means "no descendant".
        """
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            self.reaped += 1
            self.user_seconds += usage.ru_utime
            self.system_seconds += usage.ru_stime
            self.max_rss_kib = max(self.max_rss_kib, usage.ru_maxrss)
            if pid == self.agent and self.status is None:  # its number may come again, for an orphan
                self.status = status


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _prctl(option: int, value: int) -> None:
    import ctypes  # noqa: PLC0415 - the runner reads this file too, and needs none of it

    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def frame(kind: bytes, payload: bytes) -> bytes:
    """Pack one frame."""
    return kind + len(payload).to_bytes(4, "big") + payload


def read_exactly(fd: int, count: int) -> bytes:
    """Read `count` bytes from a blocking descriptor or raise RunnerGoneError."""
    parts: list[bytes] = []
    while count:
        part = os.read(fd, min(count, _CHUNK))
        if not part:
            raise RunnerGoneError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read_order(fd: int) -> Order:
    """Read the COMMAND frame, and the STDIN frame if it announces one."""
    order = Order(_read_payload(fd))
    if order.has_stdin:
        order.stdin = _read_payload(fd)
    return order


def _read_payload(fd: int) -> bytes:
    header = read_exactly(fd, HEADER_BYTES)
    return read_exactly(fd, int.from_bytes(header[1:], "big"))


def take_frame(inbox: bytearray) -> tuple[bytes, bytes] | None:
    """Take the first frame off what was read, if all of it is there."""
    end = HEADER_BYTES + int.from_bytes(inbox[1:HEADER_BYTES], "big")
    if len(inbox) < max(end, HEADER_BYTES):
        return None
    kind, payload = bytes(inbox[:1]), bytes(inbox[HEADER_BYTES:end])
    del inbox[:end]
    return kind, payload


def take_lock(path: bytes) -> str | None:
    """Lock the workspace until every process that shares this descriptor is gone; return why not, or None."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        return f"cannot lock the workspace: {error.strerror}"
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(fd, 32).decode("ascii", "replace").strip() or "unknown"
        return f"workspace in use by pid {holder}"
    os.ftruncate(fd, 0)
    os.write(fd, b"%d\n" % os.getpid())
    return None


def descendants(root: int) -> Iterator[int]:
    """Yield every process under `root`, whatever its session or group."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            children.setdefault(_parent(name), []).append(int(name))
    waiting = children.get(root, [])
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, [])


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:  # it ended meanwhile
        return 0


def purge(reap: Callable[[], bool], seconds: float) -> int:
    """Kill every descendant until none is left or time is up; return how many remain."""
    deadline = time.monotonic() + seconds
    pause = 0.001
    while reap():
        left = list(descendants(os.getpid()))
        if time.monotonic() > deadline:
            return max(len(left), 1)
        for pid in left:
            _kill(pid)
        _catch_runaways(reap)
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    return 0


def _catch_runaways(reap: Callable[[], bool]) -> None:
    """Kill own children without a scan of /proc: one that forks and ends over and over is gone before a scan ends."""
    try:
        children = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY)
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        return
    for _ in range(200):
        listed = os.pread(children, 4096, 0)
        for pid in listed[: listed.rfind(b" ") + 1].split():  # the last number may be cut in two
            _kill(int(pid))
        if not reap():
            break
    os.close(children)


def _kill(pid: int, number: int = signal.SIGKILL) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):  # gone, or not ours to kill
        return


def become_agent(order: Order, fds: tuple[int, ...], supervisor: int) -> None:
    """Turn this forked child into the agent; never returns."""
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals() - _UNCHANGEABLE:
            signal.signal(number, signal.SIG_DFL)  # a runner started in the background has SIGQUIT ignored, too
        # Signals must not end a sandbox around the agent: they wait until its first process takes them.
        signal.pthread_sigmask(signal.SIG_SETMASK, _HELD if order.sandboxed else ())
        for target, source in enumerate(fds):
            os.dup2(source, target)
            os.set_inheritable(target, True)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a second belt, for a supervisor that was killed itself
        if os.getppid() == supervisor:
            os.chdir(order.cwd)
            os.execvpe(order.argv[0], order.argv, order.env)  # noqa: S606 - no shell is the point
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        os.write(2, b"cannot start %s in %s: %s\n" % (order.argv[0], order.cwd, str(why).encode()))
    finally:
        os._exit(_CANNOT_START)


class Supervisor:
    """The loop around one agent. Blocks on nothing but poll, so a slow runner can always stop it."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.reaper = Reaper()
        self.sources: dict[int, bytes] = {}
        self.told: int | None = None
        self.heard = b""
        self.sink: int | None = None
        self.inbox = bytearray()
        self.unsent = memoryview(order.stdin)
        self.talks = order.talks
        self.outbox = bytearray()
        self.room = order.output_bytes
        self.dropped = 0
        self.next_note = 0.0
        self.ending: list[tuple[float, int]] = []
        self.asked = False
        self.wakeup, wakeup_end = os.pipe()
        os.set_blocking(self.wakeup, False)
        os.set_blocking(wakeup_end, False)
        signal.set_wakeup_fd(wakeup_end, warn_on_full_buffer=False)

    def run(self) -> None:
        """Start the agent and stay until no process of the run is left, whatever happens to the runner."""
        try:
            self.start()
            while self.reaper.status is None and not self.is_out_of_patience():
                self.turn()
                self.reaper.reap()
            survivors = purge(self.reaper.reap, KILL_SECONDS)
            while (self.sources or self.told is not None) and not survivors:
                self.turn()
            self.outbox += frame(END, json.dumps(self.report(survivors)).encode())
            while self.outbox:
                self.turn()
            while True:  # to close with something unread would take the report away from the runner
                self.turn()
        except RunnerGoneError:
            pass
        finally:
            purge(self.reaper.reap, KILL_SECONDS)
            os.close(0)
            purge(self.reaper.reap, float("inf"))  # what SIGKILL cannot end keeps the lock held

    def start(self) -> None:
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        fds = [self.open_stdin(), out_end, err_end]
        if self.order.sandboxed:
            self.told, told_end = os.pipe()
            os.set_blocking(self.told, False)
            fds.append(told_end)
        supervisor = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, _CAUGHT)  # or the child's Python might swallow an early SIGTERM
        self.reaper.agent = os.fork()
        if self.reaper.agent == 0:
            become_agent(self.order, tuple(fds), supervisor)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _CAUGHT)
        for fd in fds:
            os.close(fd)
        self.sources = {out: OUT, err: ERR}
        os.set_blocking(0, False)

    def open_stdin(self) -> int:
        if not self.order.has_stdin:
            return os.open("/dev/null", os.O_RDONLY)
        source, self.sink = os.pipe()
        os.set_blocking(self.sink, False)
        return source

    def turn(self) -> None:
        """Wait for whatever comes next and handle it."""
        poller = select.poll()
        poller.register(0, select.POLLIN | (select.POLLOUT if self.outbox else 0))
        poller.register(self.wakeup, select.POLLIN)
        if len(self.outbox) < _OUTBOX_BYTES or not self.room:  # else the agent waits for the runner: nothing is lost
            for fd in self.sources:
                poller.register(fd, select.POLLIN)
        if self.told is not None:
            poller.register(self.told, select.POLLIN)
        if self.sink is not None and (self.unsent or not self.talks):
            poller.register(self.sink, select.POLLOUT)
        for fd, events in poller.poll(self.patience_ms()):
            self.handle(fd, events)

    def handle(self, fd: int, events: int) -> None:
        if fd == 0:
            if events & select.POLLOUT:
                self.send()
            if events & ~select.POLLOUT:
                self.receive()
        elif fd == self.wakeup:
            os.read(fd, _CHUNK)
        elif fd == self.sink:
            self.feed()
        elif fd == self.told:
            self.hear()
        else:
            self.forward(fd)

    def send(self) -> None:
        try:
            del self.outbox[: os.write(0, self.outbox)]
        except BlockingIOError:
            return
        except OSError as error:
            raise RunnerGoneError from error

    def receive(self) -> None:
        try:
            data = os.read(0, _CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            raise RunnerGoneError from error
        if not data:
            raise RunnerGoneError
        self.inbox += data
        while (taken := take_frame(self.inbox)) is not None:
            self.obey(*taken)

    def obey(self, kind: bytes, payload: bytes) -> None:
        """Do what a frame after the order says."""
        if kind == STDIN and self.sink is not None:
            self.unsent = memoryview(bytes(self.unsent) + payload)
        elif kind == HANGUP:
            self.talks = False
        elif kind == STOP and not self.asked and self.reaper.status is None:
            self.stop()

    def stop(self) -> None:
        """Plan the end: interrupt if the adapter has one, terminate, kill."""
        self.asked = True
        now = time.monotonic()
        if self.order.interrupt_seconds:
            self.ending.append((now, signal.SIGINT))
        now += self.order.interrupt_seconds
        self.ending += [(now, signal.SIGTERM), (now + self.order.grace_seconds, signal.SIGKILL)]

    def is_out_of_patience(self) -> bool:
        """Send what is due of the planned end; say whether it has come to killing."""
        while self.ending and self.ending[0 if self.is_heard() else -1][0] <= time.monotonic():
            number = self.ending.pop(0)[1]
            if number == signal.SIGKILL:
                return True
            try:
                os.killpg(self.reaper.agent, number)
            except OSError:  # it has no group of its own yet
                _kill(self.reaper.agent, number)
        return False

    def patience_ms(self) -> float | None:
        if not self.ending or self.reaper.status is not None:
            return None
        due = self.ending[0 if self.is_heard() else -1][0]
        return max(0.0, due - time.monotonic()) * 1000 + 1

    def is_heard(self) -> bool:
        """Say whether signals reach the agent: a sandbox that is not made yet passes none on."""
        return not self.order.sandboxed or self.heard.startswith(TOLD)

    def hear(self) -> None:
        """Read what the first process in the sandbox tells."""
        assert self.told is not None
        data = os.read(self.told, _CHUNK)
        self.heard += data
        if not data:
            os.close(self.told)
            self.told = None

    def feed(self) -> None:
        assert self.sink is not None
        try:
            self.unsent = self.unsent[os.write(self.sink, self.unsent[:_CHUNK]) :] if self.unsent else self.unsent
        except BlockingIOError:
            return
        except BrokenPipeError:  # the agent does not care for the rest
            self.unsent, self.talks = self.unsent[:0], False
        if not self.unsent and not self.talks:
            os.close(self.sink)
            self.sink = None

    def forward(self, fd: int) -> None:
        data = os.read(fd, _CHUNK)
        if not data:
            del self.sources[fd]
            os.close(fd)
            return
        kept = data[: self.room]
        self.room -= len(kept)
        if kept:
            self.outbox += frame(self.sources[fd], kept)
        if len(kept) < len(data):
            self.drop(len(data) - len(kept))

    def drop(self, count: int) -> None:
        """Count what is not passed on, with a sign of life now and then: a flood is not silence."""
        self.dropped += count
        if not self.outbox and time.monotonic() >= self.next_note:
            self.next_note = time.monotonic() + _NOTE_SECONDS
            self.outbox += frame(DROPPED, b"%d" % self.dropped)

    def report(self, survivors: int) -> dict[str, object]:
        status = self.reaper.status
        code = None if status is None else os.waitstatus_to_exitcode(status)
        started = True
        if self.order.sandboxed:
            started, code, reaped = read_told(self.heard, code)
            self.reaper.reaped += reaped
        return {
            "exit": code,
            "started": started,
            "asked": self.asked,
            "dropped": self.dropped,
            "survivors": survivors,
            "reaped": self.reaper.reaped,
            "user_seconds": self.reaper.user_seconds,
            "system_seconds": self.reaper.system_seconds,
            "max_rss_kib": self.reaper.max_rss_kib,
        }


def read_told(told: bytes, outer: int | None) -> tuple[bool, int | None, int]:
    """Return whether the agent in the sandbox was started, how it ended, and how many processes ended besides.

    `outer` is the sandbox's own exit code: like a shell's it is past 128 for a process inside that was killed.
    """
    started, ending = told.startswith(TOLD), told[len(TOLD) :].split()
    if started and ending:
        return started, os.waitstatus_to_exitcode(int(ending[0])), int(ending[1])
    return started, 128 - outer if outer is not None and outer > 128 else outer, 0


def keep(supervisor: int) -> None:
    """Outlive the supervisor and kill what a `kill -9` of it would leave behind."""
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)  # the runner must see the end of the supervisor at once
    os.waitpid(supervisor, 0)
    purge(Reaper().reap, float("inf"))


def main() -> None:
    """Read the order from fd 0, lock the workspace, and supervise from a second process under a keeper."""
    try:
        order = read_order(0)
    except RunnerGoneError:
        return
    if busy := take_lock(order.lock):
        os.write(0, frame(END, json.dumps({"busy": busy}).encode()))
        return
    for number in _CAUGHT:  # their end is the socket's end, not a signal that was meant for a whole group
        signal.signal(number, lambda *_: None)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    if supervisor := os.fork():
        keep(supervisor)
    else:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # not inherited
        Supervisor(order).run()
    os._exit(0)


if __name__ == "__main__":
    main()
