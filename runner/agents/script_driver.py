"""Run shell scripts one after another and tell of it in JSON lines; executed by the `script` agent.

Executed as `python -I -S script_driver.py TMPDIR` in the workspace, with a JSON list of scripts on stdin. What the
scripts print is wrapped, so that no script can speak in the driver's name. No `subprocess`: importing it would take as
long as all else here.
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


def run_blocks(blocks: list[str], tmp: str) -> str:
    """Run the scripts in order up to the first failure; return the reason of the end."""
    output = Output()
    for number, script in enumerate(blocks, 1):
        tell(type="block", script=script)
        code = run_block(f"{tmp}/block-{number}.sh", script, output)
        tell(type="result", block=number, exit=code)
        if code:
            return BLOCK_FAILED
    return COMPLETED if blocks else NOTHING_TO_RUN


def main() -> int:
    """Run what stands on stdin."""
    tell(type="started")
    reason = run_blocks(json.load(sys.stdin), sys.argv[1])
    tell(type="ended", reason=reason)
    return _EXIT_CODES[reason]


if __name__ == "__main__":
    sys.exit(main())
