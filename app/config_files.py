"""Read `.orch.yml` from a repository's default branch, or what is known of it from the store."""

import asyncio
from dataclasses import dataclass

from app.config_yaml import parse_file
from app.domain.config import FILE, Problem, RepoFile
from app.domain.config_check import FoundFile, follow
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
        """Read the file, and fall back on what the store knows where that cannot be followed."""
        known = await self.records.repo_file(repository) or RepoFile()
        return follow(known, await self.find(repository), self.agents)

    async def find(self, repository: Repository) -> FoundFile:
        """Read the file as it is now."""
        return await find_file(self.github, repository)


async def find_file(github: GitHub, repository: Repository) -> FoundFile:
    """Read the file as it is now; what GitHub refuses to show is a problem of the file, and no reason to stop."""
    try:
        data = await github.file(repository, FILE)
    except Unauthorized:
        raise
    except Permanent as error:
        return FoundFile("", Problem(text=f"cannot be read: {one_line(str(error))}"))
    return await asyncio.to_thread(parse_file, data)  # half a second for the worst that 64 KiB can be
