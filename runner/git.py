"""Typed git calls that never discover a repository and run nothing that a workspace holds."""

import asyncio
import os
import re
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ASKPASS = Path(__file__).with_name("askpass.sh")
STDERR_TAIL = 2000

# On the command line, because only there git hands them on when it calls itself inside a submodule.
GUARDS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.untrackedCache": "false",
    "core.splitIndex": "false",
    "core.autocrlf": "false",
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "commit.gpgSign": "false",
    "push.gpgSign": "false",
    "push.recurseSubmodules": "no",
    "fetch.recurseSubmodules": "no",
    "submodule.recurse": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "credential.helper": "",
    "http.followRedirects": "false",
    "http.emptyAuth": "false",
    "advice.addEmbeddedRepo": "false",
}


class GitFailed(Exception):
    """git ended with an error, or was ended; `status` is its exit status, None for a time-out."""

    def __init__(self, argv: tuple[str, ...], status: int | None, stderr: str) -> None:
        super().__init__(f"{' '.join(argv)} ended with {status}: {stderr}")
        self.argv = argv
        self.status = status
        self.stderr = stderr


class AuthRefused(GitFailed):
    """The server does not take the credential, or the credential may not do this: get another one or tell people."""


class NotFound(GitFailed):
    """The remote repository or ref is gone, or hidden from this credential."""


class PushRejected(GitFailed):
    """The server read the push and refused it: repeating it does not help."""


class Transient(GitFailed):
    """The network or the server failed, time ran out, or the repository has moved: the same step may succeed later."""


@dataclass(frozen=True, slots=True)
class Identity:
    name: str
    email: str

    def __str__(self) -> str:
        return f"{_plain(self.name)} <{_plain(self.email)}>"


@dataclass(frozen=True, slots=True)
class Git:
    """git on one repository, given in full: nothing is found out from the current directory.

    `environment` is for what reaching a remote needs (proxy, certificates); the rest is built from nothing.
    """

    git_dir: Path
    work_tree: Path | None = None
    index: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    async def __call__(
        self,
        *argv: str,
        timeout: float = 60,
        stdin: bytes | None = None,
        extra: Mapping[str, str] | None = None,
        token: str | None = None,
        well: Collection[int] = (0,),
    ) -> bytes:
        """Run one git command and return its output; `well` are exit codes that are no failure.

        The token goes through a pipe that can be read once. Raises GitFailed or what it is; when cancelled or out of
        time, git and its children are killed first.
        """
        guards = {**GUARDS, "core.bare": str(self.work_tree is None).lower()}
        options = [word for name, value in guards.items() for word in ("-c", f"{name}={value}")]
        environment = {**self._environment(), **(extra or {})}
        with _one_shot(token) as askpass:
            process = await asyncio.create_subprocess_exec(
                "git",
                *options,
                *argv,
                cwd=self.git_dir,
                env={**environment, **askpass},
                pass_fds=[int(fd) for name, fd in askpass.items() if name == "ORCH_ASKPASS_FD"],
                stdin=DEVNULL if stdin is None else PIPE,
                stdout=PIPE,
                stderr=PIPE,
                start_new_session=True,
            )
        stdout, stderr, status = await _finish(process, stdin, timeout)
        if status in well:
            return stdout
        raise _failure(("git", *argv), status, _redacted(stderr, token))

    def _environment(self) -> dict[str, str]:
        found = shutil.which("git")
        environment = {
            **self.environment,
            "PATH": f"{Path(found).parent}{os.pathsep}{os.defpath}" if found else os.defpath,
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_DIR": str(self.git_dir),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_ALLOW_PROTOCOL": "http:https",
        }
        if self.work_tree is not None:
            environment["GIT_WORK_TREE"] = str(self.work_tree)
        if self.index is not None:
            environment["GIT_INDEX_FILE"] = str(self.index)
        return environment


def remote_url(url: str) -> str:
    """Return the address if it is plain HTTP without credentials, the only kind of remote there is here."""
    if not url.startswith(("http://", "https://")) or "@" in url:
        raise ValueError("a remote is a plain http(s) address without credentials")
    return url


def full_sha(sha: str) -> str:
    """Return the SHA if it is a whole one: anything shorter is a question to git, and may be an option."""
    if not re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", sha):
        raise ValueError(f"{sha!r} is not a full SHA")
    return sha


@contextmanager
def _one_shot(token: str | None) -> Iterator[dict[str, str]]:
    if token is None:
        yield {}
        return
    reading, writing = os.pipe()
    try:
        os.write(writing, f"{token}\n".encode())
    finally:
        os.close(writing)
    try:
        yield {"GIT_ASKPASS": str(ASKPASS), "ORCH_ASKPASS_FD": str(reading)}
    finally:
        os.close(reading)


async def _finish(process: Process, stdin: bytes | None, timeout: float) -> tuple[bytes, str, int | None]:
    try:
        async with asyncio.timeout(timeout):
            stdout, stderr = await process.communicate(stdin)
    except TimeoutError:
        await _kill(process)
        return b"", f"timed out after {timeout:g} s", None
    except BaseException:
        await _kill(process)
        raise
    return stdout, stderr.decode(errors="replace").strip(), process.returncode


async def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


# The first that matches is right: a server that refuses a credential in the middle of a push says "RPC failed" too.
REASONS: tuple[tuple[type[GitFailed], str], ...] = (
    (
        AuthRefused,
        r"Authentication failed|could not read (Username|Password)|(error:|HTTP) 40[13]\b|not granted|denied to",
    ),
    (NotFound, r"[Rr]epository .*not found|error: 404|couldn't find remote ref|HTTP 404"),
    (PushRejected, r"\[(remote )?rejected\]"),
    (
        Transient,
        r"(error:|HTTP) (30[1278]|429|5\d\d)|Could not resolve|Failed to connect|Couldn't connect|Connection"
        r"|Empty reply|early EOF|hung up|disconnect|RPC failed|timed out|Recv failure|Send failure",
    ),
)


def _failure(argv: tuple[str, ...], status: int | None, stderr: str) -> GitFailed:
    kind = next((kind for kind, pattern in REASONS if re.search(pattern, stderr)), GitFailed)
    return kind(argv, status, stderr[-STDERR_TAIL:])


def _redacted(stderr: str, token: str | None) -> str:
    return stderr.replace(token, "***") if token else stderr


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[<>\x00]", " ", text).split())
