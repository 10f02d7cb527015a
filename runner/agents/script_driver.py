"""Run shell scripts one after another and tell of it in JSON lines; executed by the `script` agent.

Executed as `python -I -S script_driver.py TMPDIR` in the workspace, with a JSON list of tasks on stdin: triples of a
kind, a text and the scripts in it. The kinds are `issue`, `told` (the text is what somebody said), `thread` (its name),
`answer` (what is said if there is no script) and `conflict` (a file with conflict markers, of which both sides are
kept). What the scripts print is wrapped, so that
no script can speak in the driver's name. No `subprocess`: importing it would take as long as all else here.
"""

import json
import os
import select
import signal
import sys

COMPLETED = "completed"
BLOCK_FAILED = "block_failed"
NOTHING_TO_RUN = "nothing_to_run"
_EXIT_CODES = {COMPLETED: 0, BLOCK_FAILED: 1, NOTHING_TO_RUN: 4}
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_MARKERS = (b"<<<<<<<", b"=======", b">>>>>>>")
_LINE_BYTES = 1 << 16
_PIPE_READS = 16  # times _LINE_BYTES: the largest pipe an unprivileged process can have


def tell(**said: object) -> None:
    """Print one event."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


class Output:
    """One pipe for all blocks, so that what a block left in the background can go on printing."""

    def __init__(self) -> None:
        self.source, self.sink = os.pipe()
        os.set_blocking(self.source, False)
        self._rest = b""

    def forward(self, until: int) -> None:
        """Tell each line as it comes until the descriptor `until` is readable, and then what is in the pipe."""
        poller = select.poll()
        poller.register(self.source, select.POLLIN)
        poller.register(until, select.POLLIN)
        while until not in {fd for fd, _ in poller.poll()}:
            self._read()
        for _ in range(_PIPE_READS):  # bounded: something in the background may print for ever
            self._read()
        self.flush()

    def _read(self) -> None:
        try:
            data = self._rest + os.read(self.source, _LINE_BYTES)
        except BlockingIOError:
            return
        *whole, self._rest = data.split(b"\n")
        for line in whole:
            tell(type="output", text=line.decode("utf-8", "replace"))
        if len(self._rest) >= _LINE_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._rest:
            tell(type="output", text=self._rest.decode("utf-8", "replace"))
        self._rest = b""


def run_block(path: str, script: str, output: Output) -> int:
    """Run one script with `bash -e` and return its exit code, or 128 and its signal."""
    with open(path, "wb") as file:  # noqa: PTH123 - pathlib would double the start-up time
        file.write(script.encode("utf-8", "surrogatepass"))
    streams = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, output.sink, 1),
        (os.POSIX_SPAWN_DUP2, output.sink, 2),
    ]
    argv = ["bash", "-e", path]
    pid = os.posix_spawnp("bash", argv, os.environ, file_actions=streams, setsigdef=_IGNORED_BY_PYTHON)
    ended = os.pidfd_open(pid)
    output.forward(until=ended)
    os.close(ended)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code if code >= 0 else 128 - code


class Work:
    """What was done so far: blocks are counted over all tasks."""

    def __init__(self, tmp: str) -> None:
        self.tmp = tmp
        self.output = Output()
        self.number = 0

    def do(self, tasks: list[tuple[str, str, list[str]]]) -> str:
        """Do the tasks in order up to the first script that fails; return the reason of the end."""
        for kind, text, blocks in tasks:
            if kind == "conflict":
                say(keep_both(text))
            elif not self.run(blocks):
                return BLOCK_FAILED
            elif kind == "thread":
                say(f"{text}: {'done - ran its' if blocks else 'not done - it holds no'} shell block")
            elif kind == "answer" and not blocks:
                say(text)
            elif kind == "told" and not blocks:
                say(f"You asked: {text}")
        return COMPLETED if tasks else NOTHING_TO_RUN

    def run(self, blocks: list[str]) -> bool:
        """Run the scripts in order up to the first failure, and say if there was none."""
        for script in blocks:
            self.number += 1
            tell(type="block", script=script)
            code = run_block(f"{self.tmp}/block-{self.number}.sh", script, self.output)
            tell(type="result", block=self.number, exit=code)
            if code:
                return False
        return True


def keep_both(path: str) -> str:
    """Take the markers of conflicts out of a file; say what was done."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            lines = file.readlines()
    except OSError:
        return f"{path} is not there"
    with open(path, "wb") as file:  # noqa: PTH123 - as above
        file.writelines(line for line in lines if not line.startswith(_MARKERS))
    return f"kept both sides of {path}"


def say(text: str) -> None:
    tell(type="output", text=text)


def main() -> int:
    """Run what stands on stdin."""
    tell(type="started")
    reason = Work(sys.argv[1]).do(json.load(sys.stdin))
    tell(type="ended", reason=reason)
    return _EXIT_CODES[reason]


if __name__ == "__main__":
    sys.exit(main())
