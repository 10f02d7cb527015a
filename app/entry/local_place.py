"""Where `orch local` works: the person's repository, and the state that belongs to it."""

import fcntl
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from app.domain.errors import UserError
from app.settings import user_environment, user_state_dir
from infra.local.user_git import GitRefused, UserGit

Tell = Callable[[str], None]
"""Say one line to the person."""

OLDEST_GIT = (2, 38)
USUAL = ("main", "master", "trunk")


@dataclass(frozen=True, slots=True)
class Place:
    """A repository on this machine (`folder` is a work tree of it, or itself if it is bare) and Orch's state for it."""

    folder: Path
    name: str
    state: Path
    git: UserGit

    @property
    def about_file(self) -> Path:
        return self.state / "local.json"

    def about(self) -> dict[str, Any]:
        """Say how to reach the hub of the `orch local` that runs here. Raises UserError if none does."""
        with suppress(OSError, ValueError), self._lock_file().open("rb") as lock:
            if not _is_free(lock.fileno()):
                about: dict[str, Any] = json.loads(self.about_file.read_text())
                return about
        raise UserError(f"no `orch local` runs for {self.folder}: start it with `{self._start}`")

    @property
    def _start(self) -> str:
        return shlex.join(["orch", "local", "--repo", str(self.folder)])

    def last_port(self) -> int:
        """Return the port that the hub had last time, 0 if there was none."""
        with suppress(OSError, ValueError, KeyError):
            return int(json.loads(self.about_file.read_text())["api_url"].rpartition(":")[2])
        return 0

    def publish(self, about: dict[str, Any]) -> None:
        """Tell the other commands how to reach the hub; the file holds tokens of the hub and is private."""
        temporary = self.about_file.with_suffix(".new")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(about, file)
        temporary.replace(self.about_file)

    def withdraw(self) -> None:
        """Take back what was published."""
        self.about_file.unlink(missing_ok=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only `orch local` here. Raises UserError if another one is, or the state cannot be written."""
        try:
            self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = self._lock_file().open("ab")
        except OSError as error:
            raise UserError(f"{self.state} cannot be written ({error.strerror}): choose another with --state") from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UserError(f"another `orch local` runs for {self.folder}: {self._page()}") from None
            yield

    def _page(self) -> str:
        with suppress(OSError, ValueError):
            return str(json.loads(self.about_file.read_text())["web_url"])
        return "stop it first"

    def _lock_file(self) -> Path:
        return self.state / "local.lock"


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def find_place(repository: Path, state: Path | None = None) -> Place:
    """Find the repository that a path is in, and where its state goes. Raises UserError for what cannot be served."""
    environment = user_environment()
    _check_git(environment)
    if not repository.is_dir():
        raise UserError(f"there is no directory {repository}")
    git = UserGit(repository, environment)
    try:
        common = Path(git("rev-parse", "--path-format=absolute", "--git-common-dir")).resolve()
    except GitRefused as error:
        raise UserError(_no_repository(repository, str(error))) from None
    top = git.try_line("rev-parse", "--show-toplevel")
    folder = Path(top) if top else common
    name = _name(common)
    found = state or user_state_dir() / "orch" / f"{name}-{sha256(os.fsencode(common)).hexdigest()[:12]}"
    return Place(folder, name, found.absolute(), UserGit(folder, environment))


def _name(common: Path) -> str:
    """Name the repository as GitHub would take it, the same in each of its work trees."""
    name = common.parent.name if common.name == ".git" else common.name.removesuffix(".git")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "repository"


def _check_git(environment: dict[str, str]) -> None:
    if shutil.which("git") is None:
        raise UserError("git is missing: install it first (Debian: apt-get install git)")
    said = UserGit(Path("/"), environment)("version")
    numbers = re.search(r"(\d+)\.(\d+)", said)
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST_GIT:
        raise UserError(f"git 2.38 or newer is needed; this is {said.removeprefix('git version ')}")


def _no_repository(path: Path, said: str) -> str:
    if "dubious ownership" in said:
        return f"{path} belongs to somebody else: `git config --global --add safe.directory {path.resolve()}` allows it"
    return f"{path} is not a git repository: name one with --repo, or make one with `git init`"


def default_branch(place: Place, wanted: str | None) -> str:
    """Choose the branch that work starts from and is merged into. Raises UserError if there is nothing to serve."""
    git = place.git
    if git("rev-parse", "--is-shallow-repository") == "true":
        raise UserError(f"{place.folder} is a shallow clone: complete it with `git fetch --unshallow`")
    branches = git.branches()
    if not branches:
        raise UserError(f"{place.folder} has no commits yet: make a first one with `git commit`")
    if wanted is not None and wanted not in branches:
        raise UserError(f"{place.folder} has no branch {wanted}; it has {', '.join(sorted(branches)[:10])}")
    current = git.try_line("symbolic-ref", "--quiet", "--short", "HEAD")
    remote = git.try_line("symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD")
    candidates = (wanted, remote.partition("/")[2] if remote else None, *USUAL, current)
    found = next((name for name in candidates if name in branches), None)
    if found is None:
        raise UserError(f"{place.folder} has none of {', '.join(USUAL)} and is on no branch: name one with --base")
    return found
