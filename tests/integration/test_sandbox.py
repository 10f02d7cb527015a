"""Confined agents: what they see, how they end, what stays, and what they cannot do. Real processes, real walls."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.errors import Permanent
from runner.git import Identity
from runner.sandbox import Confined, Confinement, Network, Sandbox, SandboxKind, find_sandbox
from runner.sandbox.breakout import break_out
from runner.supervision import Command, ExitReason, Limits, Supervised, supervise
from runner.workspace import Mirror, Workspace
from tests.integration.git_server import TOKEN, git_server
from tests.integration.sandboxes import CALM, ENV, KINDS, Ground, is_root, new_ground, run, sandbox_or_skip, shell

ROOT = Path(__file__).resolve().parents[2]
BOT = Identity("orch[bot]", "1+orch[bot]@users.noreply.example.invalid")
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
as_root = pytest.mark.skipif(not is_root(), reason="only root can give files and processes to other users")

ORDINARY_USER = 61234
ORDINARY = """
import asyncio, json, sys
from pathlib import Path
from runner.sandbox import Network, SandboxKind, find_sandbox
from runner.sandbox.breakout import break_out

found = asyncio.run(break_out(find_sandbox(SandboxKind.BUBBLEWRAP), Path(sys.argv[1]), Network.NONE))
print(json.dumps([[each.name, each.prevented, each.detail] for each in found]))
"""


@pytest.fixture
def ground() -> Iterator[Ground]:
    with new_ground() as made:
        yield made


@pytest.fixture
def confinement(ground: Ground) -> Confinement:
    return ground.confinement()


@pytest.fixture(params=KINDS)
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    return sandbox_or_skip(request.param)


@pytest.fixture
def bubblewrap() -> Sandbox:
    return sandbox_or_skip(SandboxKind.BUBBLEWRAP)


@pytest.fixture
def own_user() -> Sandbox:
    return sandbox_or_skip(SandboxKind.UID)


@asynccontextmanager
async def started(
    sandbox: Sandbox, confinement: Confinement, script: str, limits: Limits = CALM
) -> AsyncIterator[Supervised]:
    async with sandbox.confine(("sh", "-c", script), ENV, confinement) as confined:
        lock = confinement.workspace.parent / "lock"
        command = Command(
            confined.argv, confined.env, confinement.workspace, lock, limits, sandboxed=confined.sandboxed
        )
        async with supervise(command) as supervised:
            yield supervised


def marked(word: str) -> list[int]:
    """The living processes with this word in their argv."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def await_marked(word: str, count: int) -> list[int]:
    """Return the processes with this word when there are so many; only /proc tells of those that are not ours."""
    async with asyncio.timeout(60):
        while len(found := marked(word)) != count:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    return found


# How agents run and end


@pytest.mark.parametrize(
    ("end", "code", "fatal"),
    [
        ("exit 0", 0, None),
        ("exit 7", 7, None),
        ("exit 143", 143, None),
        ("kill -15 $$", None, 15),
        ("kill -9 $$", None, 9),
    ],
)
async def test_exit_codes_and_signals_come_through(
    sandbox: Sandbox, confinement: Confinement, end: str, code: int | None, fatal: int | None
) -> None:
    done = await shell(sandbox, confinement, end)
    assert (done.ended.reason, done.ended.code, done.ended.signal) == (ExitReason.EXITED, code, fatal)


async def test_lines_and_stdin_pass_unchanged(sandbox: Sandbox, confinement: Confinement) -> None:
    sent = b"one\n" + b"x" * 70_000 + b"\nlast"
    done = await run(sandbox, confinement, ("cat",), stdin=sent)
    assert (done.out, done.err) == (sent.decode().split("\n"), [])


async def test_the_environment_is_exactly_what_was_given(sandbox: Sandbox, confinement: Confinement) -> None:
    env = {"PATH": "/usr/bin:/bin", "ODD": "a=b \udcff", "EMPTY": "", "LD_LIBRARY_PATH": "/nowhere"}
    done = await run(sandbox, confinement, ("env",), env)
    assert sorted(done.out) == sorted(
        ["PATH=/usr/bin:/bin", "ODD=a=b \N{REPLACEMENT CHARACTER}", "EMPTY=", "LD_LIBRARY_PATH=/nowhere"]
    )


async def test_the_agent_starts_clean(sandbox: Sandbox, confinement: Confinement) -> None:
    done = await shell(
        sandbox, confinement, "grep -E 'Sig(Blk|Ign)|CapEff|NoNew' /proc/self/status; ls /proc/self/fd; pwd"
    )
    values = [line.split(":")[1].strip() for line in done.out[:4]]
    assert [int(value, 16) & ~(0b11 << 31) for value in values] == [0, 0, 0, 1]
    assert done.out[4:] == ["0", "1", "2", "3", str(confinement.workspace)]  # 3 is ls reading the directory


async def test_a_program_that_is_not_there_says_why(sandbox: Sandbox, confinement: Confinement) -> None:
    done = await run(sandbox, confinement, ("no-such-agent",))
    why = f"cannot start no-such-agent in {confinement.workspace}: No such file or directory"
    assert (done.err, done.ended.code) == ([why], 127)


async def test_a_sandbox_that_fails_is_not_an_agent_that_failed(bubblewrap: Sandbox, confinement: Confinement) -> None:
    missing = replace(confinement, network=Network.NONE, gateway=Path("/nowhere/gateway.sock"), port=4000)
    done = await shell(bubblewrap, missing, "exit 0")
    assert (done.ended.reason, done.ended.code) == (ExitReason.NOT_STARTED, 1)
    assert "/nowhere/gateway.sock" in done.err[0]


@pytest.mark.parametrize(("interrupt", "first"), [(0.0, "TERM"), (30.0, "INT")])
async def test_a_stop_reaches_the_agent_once_and_lets_it_end_in_order(
    sandbox: Sandbox, confinement: Confinement, interrupt: float, first: str
) -> None:
    script = f"trap 'echo bye; n=x$n' {first}; echo up; while [ -z $n ]; do sleep 0.05; done; sleep 0.3; exit 5"
    limits = replace(CALM, interrupt_seconds=interrupt)
    async with started(sandbox, confinement, script, limits) as supervised:
        said = []
        async for line in supervised.lines():
            said.append(line.text)
            await supervised.stop()
        ended = await supervised.wait()
    assert (said[0], said.count("bye"), ended.reason, ended.code) == ("up", 1, ExitReason.STOPPED, 5)


async def test_a_stop_before_the_agent_is_there_is_not_lost(sandbox: Sandbox, confinement: Confinement) -> None:
    async with started(sandbox, confinement, "sleep 300") as supervised:
        await supervised.stop()
        ended = await supervised.wait()
    assert (ended.reason, ended.signal) == (ExitReason.STOPPED, signal.SIGTERM)


async def test_an_agent_deaf_to_every_signal_is_killed_with_all_it_started(
    sandbox: Sandbox, confinement: Confinement
) -> None:
    word = f"mark-{secrets.token_hex(8)}"
    child = f"setsid sh -c 'echo child; sleep 300; :' {word} &"
    script = f"trap '' TERM; for n in 1 2 3; do {child} done; sleep 300; sleep 300"
    async with started(sandbox, confinement, script, replace(CALM, grace_seconds=0.2)) as supervised:
        lines = supervised.lines()
        assert [(await anext(lines)).text for _ in range(3)] == ["child"] * 3
        await supervised.stop()
        ended = await supervised.wait()
        assert marked(word) == []
    assert (ended.reason, ended.signal, ended.survivors) == (ExitReason.STOPPED, signal.SIGKILL, 0)


async def test_the_end_of_the_agent_is_the_end_of_all(sandbox: Sandbox, confinement: Confinement) -> None:
    word = f"mark-{secrets.token_hex(8)}"
    done = await shell(sandbox, confinement, f"setsid sh -c 'sleep 300; :' {word} & sleep 0.1; exit 3")
    assert (done.ended.code, done.ended.survivors, marked(word)) == (3, 0, [])


async def test_without_supervisor_and_keeper_the_agent_still_dies(sandbox: Sandbox, confinement: Confinement) -> None:
    word = f"300.{secrets.randbelow(10**9):09}"
    alone = sandbox.kind is not SandboxKind.BUBBLEWRAP  # which ends all that is inside
    inside = "" if alone else f"setsid sleep {word} & "
    async with started(sandbox, confinement, f"{inside}exec sleep {word}") as supervised:
        line = (await await_marked(word, 1 if alone else 2))[:1]
        while parent_of(line[-1]) != os.getpid():
            line.append(parent_of(line[-1]))
        keeper, supervisor = line[-1], line[-2]
        os.kill(keeper, signal.SIGKILL)
        os.kill(supervisor, signal.SIGKILL)
        assert (await supervised.wait()).reason is ExitReason.SUPERVISOR_LOST
        await await_marked(word, 0)


# What they work with


async def test_git_works_in_a_real_workspace_and_the_runner_commits_what_was_made(
    sandbox: Sandbox, ground: Ground
) -> None:
    async with git_server(ground.state, {"README.md": b"one\n", "run": b"exit 4\n"}) as server:
        mirror = Mirror.under(ground.state / "repositories", "owner/project", 7)
        await mirror.fetch(server.url, TOKEN)
        start = await server.head()
        workspace = mirror.workspace("owner/project#1")
        await workspace.prepare(start)
        confined = _confinement_of(workspace, ground)
        look = "git status --porcelain; echo two >> README.md; git diff --stat; git log --format=%H"
        script = f"{look}; git commit -qam x; sh run"
        done = await shell(sandbox, confined, script)
        sha = await workspace.snapshot("Do it", BOT, None, start, NOON)
        assert sha is not None
        assert await mirror.git("show", f"{sha}:README.md") == b"one\ntwo\n"
        await workspace.remove()
    assert done.out == [" README.md | 1 +", " 1 file changed, 1 insertion(+)", start]
    assert (done.err, done.ended.code) == ([], 4)


def _confinement_of(workspace: Workspace, ground: Ground) -> Confinement:
    repository = workspace.mirror.repository
    return Confinement(workspace.tree, workspace.home, workspace.tmp, repository, private=(ground.state,))


async def test_the_agent_writes_its_own_places_and_finds_what_programs_need(
    sandbox: Sandbox, confinement: Confinement
) -> None:
    home, tmp = confinement.home, confinement.tmp
    (home / "config.toml").write_text("given\n")
    script = (
        f"cat {home}/config.toml; touch {home}/a {tmp}/b c /dev/shm/orch-$$ && rm /dev/shm/orch-$$; date > /dev/null"
    )
    done = await shell(
        sandbox, confinement, f"{script}; git --version > /dev/null; perl -e 'print getpwuid(1) ? 1 : 1'"
    )
    assert (done.out, done.err) == (["given", "1"], [])
    assert all(place.exists() for place in (home / "a", tmp / "b", confinement.workspace / "c"))


async def test_its_own_name_and_tmp_are_there_under_bubblewrap(bubblewrap: Sandbox, confinement: Confinement) -> None:
    done = await shell(
        bubblewrap, confinement, "whoami; getent passwd agent | cut -d: -f6; hostname; touch /tmp/x && ls /run"
    )
    assert (done.out, done.err) == (["agent", str(confinement.home), "orch"], [])


async def test_what_is_private_is_not_there_even_where_more_is_shown(
    bubblewrap: Sandbox, confinement: Confinement, tmp_path: Path
) -> None:
    tool = tmp_path / "tool"
    (tool / "state").mkdir(parents=True)
    for name in ("program", "key", "state/queue.db"):
        (tool / name).write_text("there\n")
    shown = replace(confinement, readable=(tool,), private=(tool / "key", tool / "state"))
    done = await shell(bubblewrap, shown, f"cd {tool}; cat program; cat key; ls state; touch new")
    assert done.out == ["there"]
    assert (tool / "new").exists() is False


async def test_a_program_installed_above_all_workspaces_shows_none_of_them(bubblewrap: Sandbox, ground: Ground) -> None:
    confinement = ground.confinement()
    (ground.confinement("two").workspace / "secret").write_text("seen\n")
    (ground.state / "tool").write_text("there\n")
    shown = replace(confinement, readable=(ground.state,), private=())
    look = f"cd {ground.state}; cat tool; ls repositories repositories/*/tasks"
    done = await shell(bubblewrap, shown, f"touch mine; {look}; cat {ground.task('two')}/tree/secret")
    assert done.out == ["there", "repositories:", "project", "", "repositories/project/tasks:", "one"]
    assert (confinement.workspace / "mine").exists()


@pytest.mark.parametrize(
    ("limit", "script", "error"),
    [
        ({"file_bytes": 1 << 20}, "head -c 2000000 /dev/zero > big", "File size limit exceeded"),
        ({"memory_bytes": 1 << 26}, "exec perl -e '$x = \"x\" x 200000000'", "Out of memory"),
        ({"processes": 8}, "for n in 1 2 3 4 5 6 7 8 9; do sleep 5 & done", "fork"),
    ],
)
async def test_limits_hold(
    sandbox: Sandbox, confinement: Confinement, limit: dict[str, int], script: str, error: str
) -> None:
    done = await shell(sandbox, replace(confinement, **limit), script)  # type: ignore[arg-type]
    assert (done.ended.code or 0) + (done.ended.signal or 0) > 0
    assert error.lower() in " ".join(done.err).lower()


async def test_processor_time_is_limited(sandbox: Sandbox, confinement: Confinement) -> None:
    done = await shell(sandbox, replace(confinement, cpu_seconds=1), "while :; do :; done")
    assert done.ended.signal in (signal.SIGXCPU, signal.SIGKILL)


# The network


@asynccontextmanager
async def server_at(path: Path | None = None) -> AsyncIterator[int]:
    """Answer everything with one HTTP response, on a unix socket or a port of loopback."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n")
        writer.close()

    if path is not None:
        async with await asyncio.start_unix_server(answer, path):
            yield 0
    else:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1]


def asking(port: int, url: str) -> str:
    """A script that asks whoever listens on a port of loopback for a URL, and prints status and body."""
    return (
        f"exec {sys.executable} -I -c \"import http.client as h; c = h.HTTPConnection('127.0.0.1', {port}, timeout=9);"
        f" c.request('GET', '{url}'); r = c.getresponse(); print(r.status, r.read().decode().strip())\""
    )


async def test_without_network_the_gateway_is_there_and_nothing_else(
    bubblewrap: Sandbox, confinement: Confinement, ground: Ground
) -> None:
    socket = ground.state / "gateway.sock"
    alone = replace(confinement, network=Network.NONE, gateway=socket, port=4321)
    async with server_at(socket), server_at() as elsewhere:
        done = await shell(bubblewrap, alone, asking(4321, "/v1"))
        other = await shell(bubblewrap, alone, asking(elsewhere, "/v1"))
    assert (done.out, done.err) == (["200 hello"], [])
    assert "Connection refused" in other.err[-1]


async def test_with_listed_hosts_the_proxy_lets_those_through(bubblewrap: Sandbox, confinement: Confinement) -> None:
    async with server_at() as port:
        listed = replace(confinement, network=Network.HOSTS, hosts=(f"localhost:{port}",))
        done = await shell(bubblewrap, listed, asking(3128, f"http://localhost:{port}/x"))
        other = await shell(bubblewrap, listed, asking(3128, "http://example.org/"))
        told = await shell(bubblewrap, listed, "echo $https_proxy $NO_PROXY")
    assert done.out == ["200 hello"]
    assert other.out == ["403 Orch: example.org:80 is not among the hosts that agents may reach"]
    assert told.out == ["http://127.0.0.1:3128 localhost,127.0.0.1"]


async def test_a_full_network_is_the_machines(sandbox: Sandbox, confinement: Confinement) -> None:
    async with server_at() as port:
        script = f"exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; tail -1 <&3"
        done = await run(sandbox, confinement, ("bash", "-c", script))
    assert done.out == ["hello"]


@pytest.mark.parametrize("kind", [SandboxKind.UID, SandboxKind.NONE])
async def test_who_cannot_withhold_the_network_does_not_pretend(kind: SandboxKind, confinement: Confinement) -> None:
    with pytest.raises(Permanent, match="cannot withhold the network"):
        await shell(sandbox_or_skip(kind), replace(confinement, network=Network.NONE), "true")


# Ways out


async def test_every_way_out_is_shut(sandbox: Sandbox, ground: Ground) -> None:
    network = Network.NONE if sandbox.kind is SandboxKind.BUBBLEWRAP else Network.FULL
    (ground.state / "queue.db").write_text("state\n")
    found = await break_out(sandbox, ground.state, network)
    assert [each for each in found if each.required and not each.prevented] == []
    assert sum(each.required for each in found) >= 13


async def test_the_ways_out_are_open_without_a_sandbox(ground: Ground) -> None:
    found = await break_out(find_sandbox(SandboxKind.NONE), ground.state)
    open_ways = {each.name for each in found if not each.prevented}
    expected = {
        "read Orch's keys and state",
        "signal the runner",
        "write to the mirror",
        "reach a server on this machine",
    }
    assert expected <= open_ways
    assert [each for each in found if each.required] == []


async def test_what_cannot_be_tried_counts_as_open(bubblewrap: Sandbox, ground: Ground) -> None:
    found = await break_out(_Broken(bubblewrap), ground.state, Network.NONE)
    assert all(each.required and not each.prevented and "could not be tried" in each.detail for each in found)


class _Broken:
    """A sandbox in which nothing starts."""

    def __init__(self, real: Sandbox) -> None:
        self.kind = real.kind
        self._real = real

    def confine(
        self, argv: Sequence[str], env: Mapping[str, str], confinement: Confinement
    ) -> AbstractAsyncContextManager[Confined]:
        return self._real.confine(("/no/such/python",), env, confinement)


@as_root
def test_an_ordinary_user_confines_as_well(bubblewrap: Sandbox) -> None:
    python = _python_for_all()
    with new_ground() as ground:
        os.chown(ground.state, ORDINARY_USER, ORDINARY_USER)
        done = _as_ordinary_user(python, "-c", ORDINARY, str(ground.state))
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert [each for each in found if not each[1]] == []
    assert len(found) >= 14


def _python_for_all() -> str:
    """An interpreter that every user may run with the packages of this one."""
    for found in (sys.executable, shutil.which("python3", path=os.defpath)):
        if found and _as_ordinary_user(found, "-c", "import pydantic_core, runner.supervise").returncode == 0:
            return found
    pytest.skip("no interpreter here may be run by another user")


def _as_ordinary_user(*argv: str) -> "subprocess.CompletedProcess[str]":
    path = f"{ROOT}:{Path(pytest.__file__).parents[1]}"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/"}
    try:
        return subprocess.run(
            argv,
            env=env,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            user=ORDINARY_USER,
            group=ORDINARY_USER,
            extra_groups=[],
        )
    except PermissionError as error:
        return subprocess.CompletedProcess(argv, 126, "", str(error))


async def test_namespaces_of_ones_own_are_for_those_who_may_nest(sandbox: Sandbox, confinement: Confinement) -> None:
    assert (await shell(sandbox, confinement, "unshare -U true")).ended.code == 1
    assert (await shell(sandbox, replace(confinement, nesting=True), "unshare -U true")).ended.code == 0


# Users of their own


@as_root
async def test_two_runs_are_two_users_and_leave_their_doors_shut(sandbox: Sandbox, ground: Ground) -> None:
    one, two = ground.confinement("one"), ground.confinement("two")
    async with started(sandbox, one, "id -u; touch secret; echo done; sleep 300") as first:
        lines = first.lines()
        uid = int((await anext(lines)).text)
        await anext(lines)
        other = await shell(sandbox, two, f"id -u; cat {one.workspace}/secret")
    assert uid != int(other.out[0])
    assert (other.out[1:], other.ended.code) == ([], 1)
    doors = [place.stat() for place in (one.workspace, one.home, one.tmp, two.workspace)]
    assert {(door.st_uid, door.st_mode & 0o777) for door in doors} == {(os.geteuid(), 0o700)}


@as_root
async def test_what_has_two_names_is_not_given_away(sandbox: Sandbox, ground: Ground, confinement: Confinement) -> None:
    key = ground.state / "key"
    key.write_text("secret\n")
    key.chmod(0o600)
    os.link(key, confinement.home / "found-here")
    done = await shell(sandbox, confinement, f"cat {confinement.home}/found-here")
    assert (done.out, done.ended.code, key.stat().st_uid) == ([], 1, os.geteuid())


async def test_a_user_of_its_own_finds_private_places_shut(own_user: Sandbox, ground: Ground) -> None:
    confinement = ground.confinement()
    (ground.state / "queue.db").write_text("state\n")
    (ground.state / "artifacts").mkdir()
    done = await shell(
        own_user, confinement, f"cat {ground.state}/queue.db; ls {ground.state} {ground.state}/artifacts; :"
    )
    assert (done.out, len(done.err)) == ([], 3)
    assert (ground.state / "queue.db").stat().st_mode & 0o777 == 0o640


async def test_runs_of_another_repository_cannot_read_this_mirror(own_user: Sandbox, ground: Ground) -> None:
    confinement = ground.confinement()
    (ground.mirror / "HEAD").write_text("ref\n")
    stranger = replace(ground, project="other").confinement()
    assert (await shell(own_user, confinement, f"cat {ground.mirror}/HEAD")).out == ["ref"]
    assert (await shell(own_user, stranger, f"cat {ground.mirror}/HEAD")).out == []


async def test_what_a_killed_runner_left_is_shut_before_its_user_comes_again(own_user: Sandbox, ground: Ground) -> None:
    confinement = ground.confinement()
    left = {uid: ground.task(f"left-{uid}") / "tree" for uid in range(62000, 62050)}
    for uid, place in left.items():
        place.mkdir(parents=True)
        os.chown(place, uid, uid)
    uid = int((await shell(own_user, confinement, "id -u")).out[0])
    assert left[uid].stat().st_uid == os.geteuid()


async def test_a_state_that_nobody_else_can_come_to_says_what_to_do(own_user: Sandbox, tmp_path: Path) -> None:
    hidden = replace(Ground(tmp_path / "state").confinement(), private=())
    with pytest.raises(Permanent, match=r"ORCH_STATE_DIR.*chmod o\+x"):
        await shell(own_user, hidden, "true")


# Which there is


def test_none_is_used_only_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert find_sandbox(SandboxKind.NONE).kind is SandboxKind.NONE
    with pytest.raises(Permanent, match=r"bubblewrap is not on PATH.*ORCH_SANDBOX=none"):
        find_sandbox(SandboxKind.BUBBLEWRAP)
    if is_root():
        assert find_sandbox().kind is SandboxKind.UID
    else:
        with pytest.raises(Permanent, match="need a runner that is root"):
            find_sandbox()


def test_bubblewrap_comes_first(bubblewrap: Sandbox) -> None:
    assert find_sandbox().kind is SandboxKind.BUBBLEWRAP


async def test_a_sandbox_is_found_from_within_a_loop(bubblewrap: Sandbox) -> None:
    assert find_sandbox(SandboxKind.BUBBLEWRAP) == bubblewrap
