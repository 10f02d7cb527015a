"""The hub's git half against the real git program, as a client and underneath."""

import asyncio
import gzip
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from infra.hub.git import (
    BadObject,
    BareRepository,
    Conflict,
    FileChange,
    Identity,
    NotFastForward,
    RefExists,
    RefMissing,
    git_environment,
)
from infra.hub.smart_http import serve_git
from tests.integration.git_server import has_ended

WRITER = Identity("Writer", "writer@example.invalid")
MAINTAINER = Identity("Maintainer", "maintainer@example.invalid")
MAIN = "refs/heads/main"
UNKNOWN = "1" * 40
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CLIENT = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "Writer"), ("EMAIL", "writer@example.invalid"))
}


@pytest.fixture
async def repository(tmp_path: Path) -> BareRepository:
    made = BareRepository(tmp_path / "hub" / "project.git")
    await made.create({"README.md": b"one\ntwo\nthree\n", "src/app.py": b"print(1)\n"}, author=WRITER)
    return made


async def head_of(repository: BareRepository, ref: str = MAIN) -> str:
    sha = await repository.resolve(ref)
    assert sha is not None
    return sha


async def branch(repository: BareRepository, name: str, **files: bytes) -> str:
    await repository.create_ref(f"refs/heads/{name}", await head_of(repository))
    for path, content in files.items():
        await repository.write_file(name, path.replace("_", "."), content, f"Write {path}", WRITER)
    return await head_of(repository, f"refs/heads/{name}")


async def client_git(*argv: str, cwd: Path, status: int = 0, **extra: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "git",
        *argv,
        cwd=cwd,
        env=git_environment({**CLIENT, **extra}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == status, output.decode()
    return output.decode().strip()


@asynccontextmanager
async def served(repository: BareRepository, *, write_allowed: bool = True, **settings: Any) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await serve_git(request, repository.path, write_allowed=write_allowed)

    async with listening(answer, **settings) as url:
        yield url


@asynccontextmanager
async def listening(answer: Handler, **settings: Any) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/project.git/{rest:.*}", answer)
    runner = web.AppRunner(app, **settings)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/project.git"
    finally:
        await runner.cleanup()


async def test_create_commits_the_files(repository: BareRepository) -> None:
    commit = await repository.commit(MAIN)
    assert (commit.parents, commit.author, commit.message) == ((), WRITER, "Initial commit")
    assert await repository.read_file("main", "src/app.py") == b"print(1)\n"
    assert await repository.refs() == {MAIN: commit.sha}


@pytest.mark.parametrize("path", ["missing.txt", "src"])
async def test_read_file_knows_only_files(repository: BareRepository, path: str) -> None:
    assert await repository.read_file("main", path) is None


async def test_refs_match_by_the_start_of_their_name(repository: BareRepository) -> None:
    sha = await head_of(repository)
    for name in ("refs/heads/feature", "refs/heads/feature-2", "refs/orch/runs/r1"):
        await repository.create_ref(name, sha)
    assert await repository.refs("refs/heads/fea") == {"refs/heads/feature": sha, "refs/heads/feature-2": sha}
    assert await repository.refs("refs/orch/") == {"refs/orch/runs/r1": sha}


@pytest.mark.parametrize("name", ["--all", "nothing", UNKNOWN])
async def test_resolve_finds_only_what_exists(repository: BareRepository, name: str) -> None:
    assert await repository.resolve(name) is None


@pytest.mark.parametrize(
    ("ref", "sha", "error"),
    [
        (MAIN, None, RefExists),
        ("refs/heads/main/below", None, RefExists),
        ("refs/heads/a..b", None, BadObject),
        ("refs/heads/new", UNKNOWN, BadObject),
    ],
)
async def test_create_ref_says_why_not(
    repository: BareRepository, ref: str, sha: str | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await repository.create_ref(ref, sha or await head_of(repository))


async def test_a_branch_takes_only_commits(repository: BareRepository) -> None:
    tree = (await repository.commit(MAIN)).tree
    with pytest.raises(BadObject):
        await repository.create_ref("refs/heads/tree", tree)


async def test_update_ref_moves_forward_only_unless_forced(repository: BareRepository) -> None:
    first = await head_of(repository)
    second = await repository.write_file("main", "a", b"a", "Second", WRITER)
    with pytest.raises(NotFastForward):
        await repository.update_ref(MAIN, first, force=False)
    await repository.update_ref(MAIN, first, force=True)
    await repository.update_ref(MAIN, second, force=False, old=first)
    assert await head_of(repository) == second


async def test_update_ref_says_why_not(repository: BareRepository) -> None:
    head = await head_of(repository)
    with pytest.raises(RefMissing):
        await repository.update_ref("refs/heads/none", head, force=True)
    with pytest.raises(BadObject):
        await repository.update_ref(MAIN, UNKNOWN, force=True)
    with pytest.raises(BadObject):
        await repository.update_ref(MAIN, UNKNOWN, force=False)
    with pytest.raises(Conflict):
        await repository.update_ref(MAIN, head, force=True, old=UNKNOWN)


async def test_delete_ref(repository: BareRepository) -> None:
    await branch(repository, "topic")
    await repository.delete_ref("refs/heads/topic")
    assert await repository.resolve("refs/heads/topic") is None
    with pytest.raises(RefMissing):
        await repository.delete_ref("refs/heads/topic")


async def test_has_commit_is_about_commits(repository: BareRepository) -> None:
    commit = await repository.commit(MAIN)
    assert [await repository.has_commit(sha) for sha in (commit.sha, commit.tree, UNKNOWN)] == [True, False, False]
    with pytest.raises(BadObject):
        await repository.commit(UNKNOWN)


async def test_commits_between_are_oldest_first(repository: BareRepository) -> None:
    base = await head_of(repository)
    head = await branch(repository, "topic", a=b"a", b=b"b")
    commits = await repository.commits_between(base, head)
    assert [commit.message for commit in commits] == ["Write a", "Write b"]
    assert (commits[0].parents, commits[1].parents) == ((base,), (commits[0].sha,))
    assert isinstance(commits[0].date, datetime)
    assert await repository.merge_base(base, head) == base


async def test_a_message_keeps_its_lines(repository: BareRepository) -> None:
    message = "Subject\n\nBody with \x1f and ü\n\nCo-authored-by: Writer <writer@example.invalid>"
    sha = await repository.write_file("main", "a", b"a", message, WRITER)
    assert (await repository.commit(sha)).message == message


@pytest.mark.parametrize("path", ['quote".txt', "line\nbreak", "tab\there", "grün/ß.txt", "-dash", ":colon"])
async def test_write_file_takes_any_name(repository: BareRepository, path: str) -> None:
    base = await head_of(repository)
    head = await repository.write_file("main", path, b"text\n", "Add", WRITER)
    assert await repository.read_file(head, path) == b"text\n"
    assert await repository.files_changed(base, head) == [FileChange(path, "added", 1, 0, "@@ -0,0 +1 @@\n+text")]


async def test_write_file_needs_its_branch(repository: BareRepository) -> None:
    with pytest.raises(RefMissing):
        await repository.write_file("none", "a", b"a", "Add", WRITER)


@pytest.mark.parametrize(("method", "parents"), [("merge", 2), ("squash", 1), ("rebase", 1)])
async def test_merge_makes_the_commits_of_its_method(repository: BareRepository, method: str, parents: int) -> None:
    topic = await branch(repository, "topic", a=b"a", b=b"b")
    base = await repository.write_file("main", "c", b"c", "Meanwhile", WRITER)
    merged = await repository.merge(MAIN, topic, method, "Merged", MAINTAINER)
    commits = await repository.commits_between(base, merged)
    assert await head_of(repository) == merged
    assert len((await repository.commit(merged)).parents) == parents
    assert [await repository.read_file(merged, path) for path in "abc"] == [b"a", b"b", b"c"]
    assert {commit.committer for commit in commits} >= {MAINTAINER}
    if method == "rebase":
        assert [(c.message, c.author) for c in commits] == [("Write a", WRITER), ("Write b", WRITER)]


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
async def test_merge_refuses_a_conflict(repository: BareRepository, method: str) -> None:
    topic = await branch(repository, "topic", README_md=b"ours\n")
    base = await repository.write_file("main", "README.md", b"theirs\n", "Meanwhile", WRITER)
    assert not await repository.mergeable(base, topic)
    with pytest.raises(Conflict):
        await repository.merge(MAIN, topic, method, "Merged", MAINTAINER)
    assert await head_of(repository) == base


async def test_a_rebase_refuses_a_merge_commit(repository: BareRepository) -> None:
    await branch(repository, "topic", a=b"a")
    side = await branch(repository, "side", b=b"b")
    topic = await repository.merge("refs/heads/topic", side, "merge", "Merged", WRITER)
    assert await repository.mergeable(MAIN, topic)
    with pytest.raises(Conflict):
        await repository.merge(MAIN, topic, "rebase", "Merged", MAINTAINER)


async def test_a_merge_that_lost_the_race_is_a_conflict(repository: BareRepository) -> None:
    heads = [await branch(repository, f"topic{n}", **{f"f{n}": b"x"}) for n in range(4)]
    done = await asyncio.gather(
        *(repository.merge(MAIN, head, "merge", "Merged", MAINTAINER) for head in heads), return_exceptions=True
    )
    assert {type(one) for one in done} <= {str, Conflict}
    merged = sum(isinstance(one, str) for one in done)
    commits = await repository.commits_between(f"{heads[0]}~1", MAIN)
    assert len([commit for commit in commits if len(commit.parents) == 2]) == merged >= 1


async def test_files_changed_counts_and_names(repository: BareRepository) -> None:
    base = await head_of(repository)
    work = repository.path.parent / "work"
    await client_git("clone", "-q", str(repository.path), str(work), cwd=work.parent)
    (work / "README.md").write_text("one\n2\nthree\ndiff --git a/x b/x\n")
    (work / "src/app.py").rename(work / "src/main.py")
    (work / "image.bin").write_bytes(bytes(range(256)))
    await client_git("add", "-A", cwd=work)
    await client_git("commit", "-q", "-m", "Change", cwd=work)
    await client_git("push", "-q", "origin", "HEAD:refs/heads/topic", cwd=work)
    await repository.write_file("main", "elsewhere", b"x", "Not in the comparison", WRITER)
    assert await repository.files_changed(MAIN, "topic") == [
        FileChange("README.md", "modified", 2, 1, "@@ -1,3 +1,4 @@\n one\n-two\n+2\n three\n+diff --git a/x b/x"),
        FileChange("image.bin", "added", 0, 0, None),
        FileChange("src/main.py", "renamed", 0, 0, None, previous_filename="src/app.py"),
    ]
    assert await repository.files_changed(base, base) == []


async def test_a_file_that_becomes_a_symlink_is_one_change(repository: BareRepository) -> None:
    work = repository.path.parent / "work"
    await client_git("clone", "-q", str(repository.path), str(work), cwd=work.parent)
    (work / "README.md").unlink()
    (work / "README.md").symlink_to("src/app.py")
    (work / "z").write_text("z\n")
    await client_git("add", "-A", cwd=work)
    await client_git("commit", "-q", "-m", "Change", cwd=work)
    await client_git("push", "-q", "origin", "HEAD:refs/heads/topic", cwd=work)
    changes = await repository.files_changed(MAIN, "topic")
    assert [(change.filename, change.status) for change in changes] == [("README.md", "changed"), ("z", "added")]


async def test_clone_fetch_and_push_over_http(repository: BareRepository, tmp_path: Path) -> None:
    async with served(repository) as url:
        await client_git("clone", "-q", url, "work", cwd=tmp_path)
        work = tmp_path / "work"
        await client_git("commit", "-q", "--allow-empty", "-m", "Pushed", cwd=work)
        await client_git("push", "-q", "origin", "HEAD:main", cwd=work)
        pushed = await client_git("rev-parse", "HEAD", cwd=work)
        assert await head_of(repository) == pushed
        later = await repository.write_file("main", "later", b"x", "Later", WRITER)
        await client_git("fetch", "-q", "origin", cwd=work)
        assert await client_git("rev-parse", "origin/main", cwd=work) == later


async def test_protocol_version_two_reaches_the_backend(repository: BareRepository, tmp_path: Path) -> None:
    async with served(repository) as url:
        trace = await client_git("ls-remote", url, cwd=tmp_path, GIT_TRACE_PACKET="1")
    assert "version 2" in trace
    assert "refs/heads/main" in trace


async def test_a_custom_ref_is_pushed_and_fetched(repository: BareRepository, tmp_path: Path) -> None:
    async with served(repository) as url:
        await client_git("clone", "-q", url, "work", cwd=tmp_path)
        await client_git("push", "-q", "origin", "HEAD:refs/orch/runs/run-1", cwd=tmp_path / "work")
        await client_git("fetch", "-q", "origin", "refs/orch/runs/run-1", cwd=tmp_path / "work")
    assert await repository.refs("refs/orch/") == {"refs/orch/runs/run-1": await head_of(repository)}


async def test_a_pull_ref_is_not_for_pushing(repository: BareRepository, tmp_path: Path) -> None:
    await repository.create_ref("refs/pull/1/head", await head_of(repository))
    async with served(repository) as url:
        await client_git("clone", "-q", url, "work", cwd=tmp_path)
        await client_git("push", "-q", "origin", "HEAD:refs/pull/2/head", cwd=tmp_path / "work", status=1)
        await client_git("fetch", "-q", "origin", "refs/pull/1/head", cwd=tmp_path / "work")
    assert list(await repository.refs("refs/pull/")) == ["refs/pull/1/head"]


async def test_a_large_push_streams_both_ways(repository: BareRepository, tmp_path: Path) -> None:
    content = random.Random(7).randbytes(30 * 1024 * 1024)
    async with served(repository) as url:
        await client_git("clone", "-q", url, "work", cwd=tmp_path)
        await asyncio.to_thread((tmp_path / "work/blob.bin").write_bytes, content)
        await client_git("add", "-A", cwd=tmp_path / "work")
        await client_git("commit", "-q", "-m", "Large", cwd=tmp_path / "work")
        await client_git("push", "-q", "origin", "HEAD:main", cwd=tmp_path / "work")
        await client_git("clone", "-q", url, "again", cwd=tmp_path)
    assert await asyncio.to_thread((tmp_path / "again/blob.bin").read_bytes) == content


async def test_a_push_without_the_right_is_refused(repository: BareRepository, tmp_path: Path) -> None:
    before = await repository.refs()
    async with served(repository, write_allowed=False) as url:
        await client_git("clone", "-q", url, "work", cwd=tmp_path)
        answer = await client_git("push", "origin", "HEAD:refs/heads/x", cwd=tmp_path / "work", status=128)
        async with aiohttp.ClientSession() as session, session.post(f"{url}/git-receive-pack", data=b"0000") as post:
            assert post.status == 403
    assert "403" in answer
    assert await repository.refs() == before


@pytest.mark.parametrize("path", ["HEAD", "objects/info/packs", "config", "../project.git/HEAD"])
async def test_only_smart_http_is_served(repository: BareRepository, path: str) -> None:
    async with served(repository) as url, aiohttp.ClientSession() as session, session.get(f"{url}/{path}") as answer:
        assert answer.status == 404


async def test_a_missing_repository_is_404(tmp_path: Path) -> None:
    missing = BareRepository(tmp_path / "none.git")
    async with served(missing) as url, aiohttp.ClientSession() as session:
        answer = await session.get(f"{url}/info/refs?service=git-upload-pack")
        await answer.read()
    assert answer.status == 404


@pytest.mark.parametrize("auto_decompress", [True, False])
async def test_a_gzipped_body_is_unpacked_once(repository: BareRepository, auto_decompress: bool) -> None:
    body = b"0014command=ls-refs\n0000"
    headers = {
        "Content-Type": "application/x-git-upload-pack-request",
        "Content-Encoding": "gzip",
        "Git-Protocol": "version=2",
    }
    async with served(repository, auto_decompress=auto_decompress) as url, aiohttp.ClientSession() as session:
        post = await session.post(f"{url}/git-upload-pack", data=gzip.compress(body), headers=headers)
        text = await post.read()
    assert (await head_of(repository)).encode() in text


@pytest.mark.parametrize("handler_cancellation", [True, False])
async def test_a_client_that_goes_away_ends_the_backend(
    repository: BareRepository, tmp_path: Path, handler_cancellation: bool
) -> None:
    started = waiting_hook(repository, tmp_path)
    ended = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await serve_git(request, repository.path, write_allowed=True)
        finally:
            if request.path.endswith("/git-receive-pack"):
                ended.set()

    async with listening(answer, handler_cancellation=handler_cancellation) as url:
        await client_git("clone", "-q", url, "work", cwd=tmp_path)
        await client_git("commit", "-q", "--allow-empty", "-m", "Unfinished", cwd=tmp_path / "work")
        push = await asyncio.create_subprocess_exec(
            *("git", "push", "-q", "origin", "HEAD:refs/heads/x"),
            cwd=tmp_path / "work",
            env=git_environment(CLIENT),
            start_new_session=True,
        )
        hook = os.pidfd_open(int(await asyncio.to_thread(started.read_text)))
        os.killpg(push.pid, signal.SIGKILL)
        await push.wait()
        await asyncio.wait_for(ended.wait(), 60)
    assert await has_ended(hook)
    assert await repository.resolve("refs/heads/x") is None


def waiting_hook(repository: BareRepository, folder: Path) -> Path:
    """Make every push wait for ever in a hook that tells its process id through the pipe returned."""
    started, never = folder / "started", folder / "never"
    os.mkfifo(started)
    os.mkfifo(never)
    hook = repository.path / "hooks/pre-receive"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\necho $$ > {started}\nread line < {never}\n")
    hook.chmod(0o755)
    return started
