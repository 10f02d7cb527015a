"""Read `.orch.yml`, and what else counts of a repository's default branch, or what the store knows of them."""

import asyncio
from dataclasses import dataclass, replace

from app.domain.absent import ATTRIBUTES, MODULES, Absent, lfs_patterns, submodule_paths
from app.domain.config import FILE, Problem, RepoFile
from app.domain.config_check import FoundFile, Tree, follow
from app.domain.errors import Permanent, Unauthorized
from app.domain.names import Repository
from app.domain.text import one_line
from app.ports import GitHub
from app.records import Records


@dataclass(frozen=True, slots=True)
class ConfigFiles:
    """What repositories say in `.orch.yml`. Only the repository's own group writes it down; nothing here does."""

    records: Records
    github: GitHub
    agents: tuple[str, ...]

    async def known(self, repository: Repository) -> RepoFile:
        """Return what the store knows of the file; it is read if the store knows nothing."""
        return await self.records.repo_file(repository) or await self.current(repository)

    async def current(self, repository: Repository) -> RepoFile:
        """Read the file alone, and fall back on what the store knows where that cannot be followed."""
        known = await self.records.repo_file(repository) or RepoFile()
        return follow(known, await find_file(self.github, repository), self.agents)

    async def find(self, repository: Repository) -> FoundFile:
        """Read the file as it is now, and what else counts of the default branch."""
        found = await find_file(self.github, repository)
        absent, signed = await find_absent(self.github, repository), await find_signed(self.github, repository)
        return replace(found, absent=absent, signed=signed)


async def find_file(github: GitHub, repository: Repository) -> FoundFile:
    """Read the file as it is now; what GitHub refuses to show is a problem of the file, and no reason to stop."""
    try:
        data = await github.file(repository, FILE)
    except Unauthorized:
        raise
    except Permanent as error:
        return FoundFile("", Problem(text=f"cannot be read: {one_line(str(error))}"))
    if data is None:
        return FoundFile(None, Tree({}, {}))
    from app.config_yaml import parse_file  # noqa: PLC0415 - 1 MB that nobody needs whose repositories have no file

    return await asyncio.to_thread(parse_file, data)  # half a second for the worst that 64 KiB can be


async def find_absent(github: GitHub, repository: Repository) -> Absent | None:
    """Read what of the default branch is not there in a run, None if GitHub does not show that."""
    try:
        attributes, modules = [await github.file(repository, path) or b"" for path in (ATTRIBUTES, MODULES)]
    except Unauthorized:
        raise
    except Permanent:
        return None
    return Absent(
        lfs=lfs_patterns(attributes.decode(errors="replace")),
        submodules=submodule_paths(modules.decode(errors="replace")),
    )


async def find_signed(github: GitHub, repository: Repository, branch: str | None = None) -> bool | None:
    """Ask whether a branch (None: the default one) takes only signed commits, None if GitHub does not say."""
    try:
        return (await github.rules(repository, branch or repository.default_branch)).signatures
    except Unauthorized:
        raise
    except Permanent:
        return None
