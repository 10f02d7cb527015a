"""The supervisor against real processes: what ends, what stays, what is told."""

import asyncio
import fcntl
import json
import os
import secrets
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.supervision import Command, Exit, ExitReason, Limits, Line, LineSplitter, Stream, supervise

ENV = {"PATH": "/usr/bin:/bin"}
ROOT = Path(__file__).resolve().parents[2]
LONG = 30.0
LIBRARY_SIGNALS = 0b11 << 31
"""Signals 32 and 33 are the C library's own, and no program can change them."""

# What a process may do to get away: a session of its own, a double fork, no hang-up signal, a deaf ear, many together.
ESCAPES = """
: > "$MARK"
setsid tail -f "$MARK" >/dev/null 2>&1 &
( ( tail -f "$MARK" >/dev/null 2>&1 & ) & )
nohup tail -f "$MARK" >/dev/null 2>&1 &
setsid sh -c 'trap "" TERM INT HUP; exec tail -f "$0" >/dev/null 2>&1' "$MARK" &
setsid sh -c 'setsid sh -c "tail -f $0; :" "$0" & tail -f "$0"; :' "$MARK" >/dev/null 2>&1 &
setsid sh -c 'sleep 300; : the output stays open' "$MARK" &
"""
ESCAPED = 9

# A runner of its own, so that it can be killed.
RUNNER = """
import asyncio, json, sys
from pathlib import Path
from runner.supervision import Command, Limits, supervise

async def main():
    argv, env, here = json.load(sys.stdin)
    command = Command(tuple(argv), env, Path(here), Path(here, "lock"), Limits(300, 300))
    async with supervise(command) as run:
        await run.wait()

asyncio.run(main())
"""


@pytest.fixture
def mark() -> Iterator[str]:
    """A word to know the processes of one test by; none of them may be left after it."""
    word = f"mark-{secrets.token_hex(8)}"
    yield word
    left = marked(word)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert left == []


def marked(word: str) -> list[int]:
    """The living processes, other than this one, with `word` in their argv."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if word.encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
    return found


async def await_marked(word: str, count: int) -> None:
    """Return when `count` processes carry `word`; only /proc tells of processes that are not our children."""
    deadline = time.monotonic() + 2 * LONG
    while len(marked(word)) != count:
        assert time.monotonic() < deadline, f"{len(marked(word))} processes, wanted {count}"
        await asyncio.sleep(0.01)


async def await_reaped(pid: int) -> None:
    with suppress(ProcessLookupError):
        while True:
            os.kill(pid, 0)
            await asyncio.sleep(0.01)


def command(argv: Sequence[str], here: Path, stdin: bytes | None = None, **limits: Any) -> Command:
    calm: dict[str, Any] = {"wall_seconds": LONG, "silence_seconds": LONG, "grace_seconds": LONG}
    return Command(tuple(argv), ENV, here, here / "lock", Limits(**(calm | limits)), stdin)


def shell(script: str, here: Path, stdin: bytes | None = None, **limits: Any) -> Command:
    return command(("sh", "-c", script), here, stdin, **limits)


def python(script: str, here: Path, **limits: Any) -> Command:
    return command((sys.executable, "-I", "-S", "-c", script), here, **limits)


def escaping(then: str, mark: str, here: Path, **limits: Any) -> Command:
    """Start processes that try to get away, with `mark` in their argv, and then do something."""
    return replace(shell(ESCAPES + then, here, **limits), env=ENV | {"MARK": mark})


async def finish(made: Command) -> tuple[list[Line], Exit]:
    async with supervise(made) as run:
        lines = [line async for line in run.lines()]
        return lines, await run.wait()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def peak_memory_kib(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0])


# What is delivered


async def test_lines_of_both_streams_arrive(tmp_path: Path) -> None:
    lines, ended = await finish(shell("echo out; echo err >&2; printf end", tmp_path))
    assert sorted(lines, key=lambda line: line.data) == [
        Line(Stream.STDOUT, b"end"),
        Line(Stream.STDERR, b"err"),
        Line(Stream.STDOUT, b"out"),
    ]
    assert (ended.reason, ended.code, ended.signal, ended.dropped_bytes) == (ExitReason.EXITED, 0, None, 0)


async def test_the_environment_is_exactly_what_was_given(tmp_path: Path) -> None:
    env = {"PATH": "/usr/bin:/bin", "ODD": "a=b\nc \udcff", "EMPTY": ""}
    lines, _ = await finish(replace(command(("env", "-0"), tmp_path), env=env))
    given = b"\n".join(line.data for line in lines)
    assert set(given.split(b"\0")) == {b"PATH=/usr/bin:/bin", b"ODD=a=b\nc \xff", b"EMPTY=", b""}


async def test_the_agent_starts_with_signals_that_the_runner_was_told_to_ignore(tmp_path: Path) -> None:
    script = "grep SigIgn /proc/self/status"
    ignored = signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    try:
        lines, _ = await finish(shell(script, tmp_path))
    finally:
        signal.signal(signal.SIGQUIT, ignored)
    assert int(lines[0].text.split()[1], 16) & ~LIBRARY_SIGNALS == 0


async def test_the_agent_starts_with_clean_signals_and_no_descriptor_too_many(tmp_path: Path) -> None:
    script = "grep -E 'Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd; readlink /proc/self/cwd"
    lines, _ = await finish(shell(script, tmp_path))
    masks, rest = [int(line.text.split()[1], 16) for line in lines[:2]], [line.text for line in lines[2:]]
    assert [mask & ~LIBRARY_SIGNALS for mask in masks] == [0, 0]
    assert rest == ["0", "1", "2", "3", str(tmp_path)]  # 3 is ls reading the directory


async def test_the_agent_leads_a_session_of_its_own(tmp_path: Path) -> None:
    script = "import os; print(os.getpid() == os.getsid(0) == os.getpgid(0))"
    lines, _ = await finish(python(script, tmp_path))
    assert lines == [Line(Stream.STDOUT, b"True")]


async def test_stdin_is_delivered_whole_and_closed(tmp_path: Path) -> None:
    lines, _ = await finish(shell("wc -c", tmp_path, stdin=b"x" * 3_000_000))
    assert lines[0].text.strip() == "3000000"


async def test_an_agent_may_leave_its_stdin_unread(tmp_path: Path) -> None:
    lines, ended = await finish(shell("exec <&-; echo done", tmp_path, stdin=b"x" * 3_000_000))
    assert (lines, ended.code) == ([Line(Stream.STDOUT, b"done")], 0)


async def test_an_agent_that_talks_is_answered_until_the_hangup(tmp_path: Path) -> None:
    script = "while read word; do echo got $word; done; echo done"
    made = replace(shell(script, tmp_path, stdin=b"one\n"), talks=True)
    async with supervise(made) as run:
        said = []
        async for line in run.lines():
            said.append(line.text)
            if line.text == "got one":
                await run.send(b"two\nthree ")
                await run.send(b"four\n")
            elif line.text == "got three four":
                await run.send(b"five\n")
                await run.hang_up()
        ended = await run.wait()
    assert (said, ended.code) == (["got one", "got two", "got three four", "got five", "done"], 0)


async def test_what_is_sent_to_an_agent_that_closed_its_stdin_is_lost(tmp_path: Path) -> None:
    async with supervise(replace(shell("exec <&-; echo ready; sleep 0.2; echo done", tmp_path), talks=True)) as run:
        said = []
        async for line in run.lines():
            said.append(line.text)
            await run.send(b"x" * 3_000_000)
        ended = await run.wait()
    assert (said, ended.reason, ended.code) == (["ready", "done"], ExitReason.EXITED, 0)


async def test_a_stop_ends_an_agent_that_waits_for_an_answer(tmp_path: Path) -> None:
    async with supervise(replace(shell("echo ready; read word", tmp_path), talks=True)) as run:
        async for _ in run.lines():
            await run.stop()
        ended = await run.wait()
    assert (ended.reason, ended.signal) == (ExitReason.STOPPED, signal.SIGTERM)


@pytest.mark.parametrize("stdin", [None, b""])
async def test_no_stdin_reads_as_the_end(tmp_path: Path, stdin: bytes | None) -> None:
    lines, _ = await finish(shell("cat; echo done", tmp_path, stdin=stdin))
    assert lines == [Line(Stream.STDOUT, b"done")]


async def test_lines_of_70_kib_arrive_whole(tmp_path: Path) -> None:
    lines, ended = await finish(python("for _ in range(20): print('é' * 35 * 1024)", tmp_path))
    assert lines == [Line(Stream.STDOUT, "é".encode() * 35 * 1024)] * 20
    assert ended.dropped_bytes == 0


async def test_binary_output_arrives_as_it_is(tmp_path: Path) -> None:
    script = "import os; os.write(1, bytes(range(256)) * 3)"
    lines, _ = await finish(python(script, tmp_path))
    assert b"\n".join(line.data for line in lines) == bytes(range(256)) * 3
    assert lines[-1].text.endswith("\N{REPLACEMENT CHARACTER}")


async def test_output_of_an_orphan_until_the_agent_ends_arrives(tmp_path: Path) -> None:
    lines, _ = await finish(shell("mkfifo go; (setsid sh -c 'echo orphan; echo > go' &); cat go > /dev/null", tmp_path))
    assert lines == [Line(Stream.STDOUT, b"orphan")]


@pytest.mark.parametrize(
    ("pieces", "lines", "dropped"),
    [
        ([b"a\nb"], [Line(Stream.STDOUT, b"a"), Line(Stream.STDOUT, b"b")], 0),
        ([b"a", b"b\n"], [Line(Stream.STDOUT, b"ab")], 0),
        ([b"\n\n"], [Line(Stream.STDOUT, b"")] * 2, 0),
        ([b"abcd\n"], [Line(Stream.STDOUT, b"abcd")], 0),
        ([b"abcde\n"], [Line(Stream.STDOUT, b"abcd", truncated=True)], 1),
        ([b"abc", b"def", b"g\nh"], [Line(Stream.STDOUT, b"abcd", truncated=True), Line(Stream.STDOUT, b"h")], 3),
        ([b"abcdef"], [Line(Stream.STDOUT, b"abcd", truncated=True)], 2),
    ],
)
def test_lines_are_cut_at_their_limit(pieces: list[bytes], lines: list[Line], dropped: int) -> None:
    splitter = LineSplitter(Stream.STDOUT, limit=4)
    assert [line for piece in pieces for line in splitter.feed(piece)] + splitter.flush() == lines
    assert splitter.dropped == dropped


async def test_a_flood_past_the_limit_is_counted_and_the_agent_runs_free(tmp_path: Path) -> None:
    lines, ended = await finish(shell("echo first; yes | head -c 200000000; echo last", tmp_path, output_bytes=100_000))
    got = sum(len(line.data) + 1 for line in lines)
    assert (lines[0].data, ended.code, ended.reason) == (b"first", 0, ExitReason.EXITED)
    assert (got, got + ended.dropped_bytes) == (100_000, len("first\n") + 200_000_000 + len("last\n"))


async def test_a_flood_leaves_the_supervisor_small(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    script = "echo $$; yes | head -c 200000000 | tr -d '\\n'; echo; cat go"
    async with supervise(shell(script, tmp_path, output_bytes=1 << 30, line_bytes=1000)) as run:
        lines = run.lines()
        supervisor = parent_of(int((await anext(lines)).text))
        assert await anext(lines) == Line(Stream.STDOUT, b"y" * 1000, truncated=True)
        assert peak_memory_kib(supervisor) < 30_000
        await asyncio.to_thread((tmp_path / "go").write_text, "")
        assert (await run.wait()).dropped_bytes == 100_000_000 - 1000


async def test_a_flood_is_not_silence(tmp_path: Path) -> None:
    script = "import os, time\nend = time.monotonic() + 2.4\nwhile time.monotonic() < end: os.write(1, b'x' * 4096)"
    _, ended = await finish(python(script, tmp_path, silence_seconds=2, output_bytes=10))
    assert ended.reason is ExitReason.EXITED


async def test_a_consumer_that_does_not_read_blocks_the_agent_and_loses_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "stuck")
    script = """
import os, select
os.set_blocking(1, False)
ready = select.poll()
ready.register(1, select.POLLOUT)
wrote = 0
while ready.poll(300):
    wrote += os.write(1, (b"x" * 1023 + b"\\n") * 4)
open("stuck", "w").write(str(wrote))
"""
    async with supervise(python(script, tmp_path)) as run:
        wrote = int(await asyncio.to_thread((tmp_path / "stuck").read_text))
        lines = [line async for line in run.lines()]
        ended = await run.wait()
    assert wrote < 4_000_000
    assert sum(len(line.data) + 1 for line in lines) == wrote
    assert (ended.code, ended.dropped_bytes) == (0, 0)


async def test_past_the_limit_a_consumer_that_does_not_read_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "through")
    script = "yes | head -c 20000000; echo > through"
    async with supervise(shell(script, tmp_path, output_bytes=500_000)) as run:
        await asyncio.to_thread((tmp_path / "through").read_text)
        lines = [line async for line in run.lines()]
        ended = await run.wait()
    assert (len(lines), ended.dropped_bytes) == (250_000, 19_500_000)


async def test_what_nobody_reads_is_counted_as_dropped(tmp_path: Path) -> None:
    async with supervise(shell("echo 12345; echo 678", tmp_path)) as run:
        async for _ in run.lines():
            break
        ended = await run.wait()
    assert (ended.code, ended.dropped_bytes) == (0, 3)


async def test_a_run_has_one_reader_at_a_time(tmp_path: Path) -> None:
    async with supervise(shell("sleep 300", tmp_path)) as run:
        reader = asyncio.create_task(run.wait())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await anext(run.lines())
        with pytest.raises(RuntimeError):
            await run.wait()
        await run.stop()
        assert (await reader).reason is ExitReason.STOPPED


async def test_a_read_that_was_cancelled_loses_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    async with supervise(shell("cat go", tmp_path)) as run:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(run.lines())
        await asyncio.to_thread((tmp_path / "go").write_text, "late")
        assert [line.text async for line in run.lines()] == ["late"]


# How it ends


async def test_exit_codes_are_right_400_times_of_400(tmp_path: Path) -> None:
    orphans = "for n in 1 2 3 4; do (sleep 0.0$n &); (true &); done\n"
    fatal = [1, 2, 6, 9, 10, 12, 14, 15]
    wanted = [(code, None) for code in range(256)] + [(None, fatal[n % 8]) for n in range(144)]
    slots = asyncio.Semaphore(6)

    async def run(number: int, code: int | None, fatal_signal: int | None) -> tuple[int | None, int | None]:
        end = f"exit {code}" if fatal_signal is None else f"ulimit -c 0; kill -{fatal_signal} $$"
        async with slots:
            made = replace(shell(orphans + end, tmp_path), lock=tmp_path / f"lock-{number}")
            _, ended = await finish(made)
        return ended.code, ended.signal

    assert await asyncio.gather(*(run(number, *each) for number, each in enumerate(wanted))) == wanted


async def test_an_agent_that_cannot_start_says_why(tmp_path: Path) -> None:
    lines, ended = await finish(command(("no-such-agent",), tmp_path))
    why = f"cannot start no-such-agent in {tmp_path}: No such file or directory"
    assert (lines, ended.code) == ([Line(Stream.STDERR, why.encode())], 127)


async def test_a_word_that_no_process_can_take_says_why(tmp_path: Path) -> None:
    lines, ended = await finish(command(("echo", "a\0b"), tmp_path))
    why = f"cannot start echo in {tmp_path}: embedded null byte"
    assert (lines, ended.code) == ([Line(Stream.STDERR, why.encode())], 127)


async def test_resources_are_summed_over_the_whole_run(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.15: pass"
    script = f"(exec {sys.executable} -I -S -c '{burn}') & {sys.executable} -I -S -c '{burn}'; wait"
    _, ended = await finish(shell(script, tmp_path))
    assert ended.rusage is not None
    assert 0.28 < ended.rusage.user_seconds + ended.rusage.system_seconds < 2
    assert 1_000_000 < ended.rusage.max_rss_bytes < 200_000_000


async def test_stop_lets_the_agent_end_in_order(tmp_path: Path) -> None:
    async with supervise(shell("trap 'echo bye; exit 5' TERM; echo up; sleep 300 & wait", tmp_path)) as run:
        said = []
        async for line in run.lines():
            said.append(line.text)
            await run.stop()
        ended = await run.wait()
    assert (said, ended.reason, ended.code) == (["up", "bye"], ExitReason.STOPPED, 5)


async def test_an_interrupt_comes_first_where_the_adapter_has_one(tmp_path: Path) -> None:
    script = "trap 'echo interrupted; exit 6' INT; echo up; sleep 300 & wait"
    async with supervise(shell(script, tmp_path, interrupt_seconds=LONG)) as run:
        said = []
        async for line in run.lines():
            said.append(line.text)
            await run.stop()
        ended = await run.wait()
    assert (said, ended.reason, ended.code) == (["up", "interrupted"], ExitReason.STOPPED, 6)


async def test_an_agent_deaf_to_every_signal_is_killed_after_grace(tmp_path: Path) -> None:
    script = "trap '' INT TERM; echo up; while :; do sleep 300; done"
    async with supervise(shell(script, tmp_path, interrupt_seconds=0.1, grace_seconds=0.2)) as run:
        await anext(run.lines())
        asked = time.monotonic()
        await run.stop()
        ended = await run.wait()
    assert (ended.reason, ended.code, ended.signal) == (ExitReason.STOPPED, None, signal.SIGKILL)
    assert 0.3 <= time.monotonic() - asked < LONG


async def test_stop_does_not_need_a_reader(tmp_path: Path) -> None:
    async with supervise(shell("yes", tmp_path)) as run:
        await anext(run.lines())
        await run.stop()
        ended = await run.wait()
    assert (ended.reason, ended.signal) == (ExitReason.STOPPED, signal.SIGTERM)


async def test_the_first_reason_to_stop_stands(tmp_path: Path) -> None:
    async with supervise(shell("sleep 300", tmp_path)) as run:
        await run.stop(ExitReason.SILENCE)
        await run.stop(ExitReason.STOPPED)
        assert (await run.wait()).reason is ExitReason.SILENCE


async def test_a_stop_that_comes_too_late_changes_nothing(tmp_path: Path) -> None:
    async with supervise(shell("exit 3", tmp_path)) as run:
        before = await run.wait()
        await run.stop()
        assert await run.wait() == before
    assert (before.reason, before.code) == (ExitReason.EXITED, 3)


async def test_a_stop_after_the_agent_ended_is_not_the_reason(tmp_path: Path) -> None:
    async with supervise(shell("echo $$; yes | head -c 900000; exit 3", tmp_path)) as run:
        agent = int((await anext(run.lines())).text)
        await await_reaped(agent)  # while much of its output still waits for us
        await run.stop()
        ended = await run.wait()
    assert (ended.reason, ended.code) == (ExitReason.EXITED, 3)


async def test_wall_time_is_a_limit_for_a_chatty_agent(tmp_path: Path) -> None:
    _, ended = await finish(shell("while echo x; do sleep 0.02; done", tmp_path, wall_seconds=0.3))
    assert (ended.reason, ended.signal) == (ExitReason.WALL_TIME, signal.SIGTERM)


async def test_silence_is_a_limit(tmp_path: Path) -> None:
    lines, ended = await finish(shell("echo up; sleep 300", tmp_path, silence_seconds=1.5))
    assert (lines, ended.reason) == ([Line(Stream.STDOUT, b"up")], ExitReason.SILENCE)


async def test_a_slow_consumer_is_not_taken_for_a_silent_agent(tmp_path: Path) -> None:
    async with supervise(shell("echo 1; echo 2", tmp_path, silence_seconds=1)) as run:
        async for _ in run.lines():
            await asyncio.sleep(1.1)
        assert (await run.wait()).reason is ExitReason.EXITED


# What stays: nothing


async def test_the_end_of_the_agent_is_the_end_of_all(tmp_path: Path, mark: str) -> None:
    os.mkfifo(tmp_path / "go")
    async with supervise(escaping("cat go", mark, tmp_path)) as run:
        await await_marked(mark, ESCAPED)
        await asyncio.to_thread((tmp_path / "go").write_text, "")
        ended = await run.wait()
        assert marked(mark) == []
    assert (ended.reason, ended.code, ended.survivors) == (ExitReason.EXITED, 0, 0)


@pytest.mark.parametrize("how", ["leave", "raise", "cancel", "cancel twice"])
async def test_leaving_the_context_leaves_no_process(tmp_path: Path, mark: str, how: str) -> None:
    up = asyncio.Event()

    async def use() -> None:
        async with supervise(escaping("sleep 300", mark, tmp_path)):
            await await_marked(mark, ESCAPED)
            up.set()
            if how == "raise":
                raise LookupError
            if how != "leave":
                await asyncio.Event().wait()

    task = asyncio.create_task(use())
    await up.wait()
    for _ in range({"cancel": 1, "cancel twice": 2}.get(how, 0)):
        task.cancel()
        await asyncio.sleep(0)
    await asyncio.wait({task})
    assert marked(mark) == []
    assert task.cancelled() == how.startswith("cancel")
    assert how != "raise" or isinstance(task.exception(), LookupError)
    assert (await finish(shell("exit 4", tmp_path)))[1].code == 4


async def test_a_cancel_at_the_very_start_leaves_no_process(tmp_path: Path, mark: str) -> None:
    async def use() -> None:
        await finish(escaping("sleep 300", mark, tmp_path))

    for pauses in range(6):
        task = asyncio.create_task(use())
        for _ in range(pauses):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
    assert marked(mark) == []
    assert (await finish(shell("exit 4", tmp_path)))[1].code == 4


async def test_a_killed_runner_leaves_no_process_and_no_lock(tmp_path: Path, mark: str) -> None:
    order = json.dumps([["sh", "-c", ESCAPES + "sleep 300"], ENV | {"MARK": mark}, str(tmp_path)])
    runner = await asyncio.create_subprocess_exec(sys.executable, "-c", RUNNER, cwd=ROOT, stdin=asyncio.subprocess.PIPE)
    assert runner.stdin is not None
    runner.stdin.write(order.encode())
    runner.stdin.write_eof()
    await await_marked(mark, ESCAPED)
    runner.kill()
    assert await runner.wait() == -signal.SIGKILL
    await await_marked(mark, 0)
    await await_free(tmp_path / "lock")


async def await_free(lock: Path) -> None:
    """Take the lock as soon as it is free."""

    def take() -> None:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)

    async with asyncio.timeout(2 * LONG):
        await asyncio.to_thread(take)


async def test_a_killed_supervisor_is_reported_and_leaves_no_process(tmp_path: Path, mark: str) -> None:
    async with supervise(escaping("echo $$; sleep 300", mark, tmp_path)) as run:
        agent = int((await anext(run.lines())).text)
        await await_marked(mark, ESCAPED)
        os.kill(parent_of(agent), signal.SIGKILL)
        ended = await run.wait()
    assert ended == Exit(ExitReason.SUPERVISOR_LOST, detail="the supervisor ended without a report")
    assert marked(mark) == []
    assert (await finish(shell("exit 4", tmp_path)))[1].code == 4


async def test_a_killed_keeper_changes_nothing(tmp_path: Path, mark: str) -> None:
    os.mkfifo(tmp_path / "go")
    async with supervise(escaping("echo $$; cat go; exit 7", mark, tmp_path)) as run:
        lines = run.lines()
        agent = int((await anext(lines)).text)
        await await_marked(mark, ESCAPED)
        os.kill(parent_of(parent_of(agent)), signal.SIGKILL)
        await asyncio.to_thread((tmp_path / "go").write_text, "")
        assert [line async for line in lines] == []
        ended = await run.wait()
    assert (ended.reason, ended.code) == (ExitReason.EXITED, 7)
    assert marked(mark) == []


async def test_without_supervisor_and_keeper_the_agent_itself_still_dies(tmp_path: Path) -> None:
    async with supervise(shell("echo $$; exec sleep 300", tmp_path)) as run:
        agent = int((await anext(run.lines())).text)
        gone = os.pidfd_open(agent)
        supervisor = parent_of(agent)
        os.kill(parent_of(supervisor), signal.SIGKILL)
        os.kill(supervisor, signal.SIGKILL)
        ended = await run.wait()
    assert ended.reason is ExitReason.SUPERVISOR_LOST
    assert select.select([gone], [], [], 2 * LONG)[0] == [gone]
    os.close(gone)


async def test_a_process_that_forks_and_ends_for_ever_is_caught(tmp_path: Path, mark: str) -> None:
    hop = """
import os, sys, time
end = time.monotonic() + 20
os.setsid()
while time.monotonic() < end:
    if os.fork(): os._exit(0)
"""
    script = f"(exec {sys.executable} -I -S -c '{hop}' {mark} </dev/null >/dev/null 2>&1 &) ; sleep 0.2; exit 9"
    _, ended = await finish(shell(script, tmp_path))
    assert (ended.code, ended.survivors) == (9, 0)
    assert marked(mark) == []


# The lock


async def test_a_workspace_in_use_is_refused_and_free_afterwards(tmp_path: Path) -> None:
    async with supervise(shell("echo $$; sleep 300", tmp_path)) as run:
        agent = int((await anext(run.lines())).text)
        holder = parent_of(parent_of(agent))
        lines, refused = await finish(shell("echo never", tmp_path))
        assert lines == []
        assert refused == Exit(ExitReason.WORKSPACE_BUSY, detail=f"workspace in use by pid {holder}")
    assert (await finish(shell("exit 4", tmp_path)))[1].code == 4


async def test_the_lock_is_held_until_the_last_process_is_gone(tmp_path: Path, mark: str) -> None:
    async with supervise(escaping("echo $$; sleep 300", mark, tmp_path)) as run:
        agent = int((await anext(run.lines())).text)
        await await_marked(mark, ESCAPED)
        supervisor = parent_of(agent)
        keeper = parent_of(supervisor)
        os.kill(keeper, signal.SIGSTOP)  # so that it cannot clean up yet
        os.kill(supervisor, signal.SIGKILL)
        assert (await run.wait()).reason is ExitReason.SUPERVISOR_LOST
        assert len(marked(mark)) == ESCAPED
        assert (await finish(shell("echo never", tmp_path)))[1].reason is ExitReason.WORKSPACE_BUSY
        os.kill(keeper, signal.SIGCONT)
    assert marked(mark) == []
    assert (await finish(shell("exit 4", tmp_path)))[1].code == 4


async def test_a_lock_that_cannot_be_taken_says_why(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    _, ended = await finish(shell("echo never", tmp_path))
    why = "cannot lock the workspace: Too many levels of symbolic links"
    assert ended == Exit(ExitReason.WORKSPACE_BUSY, detail=why)
