"""Which value of each key is in force, where it comes from, and why it is no other: for `orch config explain`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field, SecretStr

from app.config_files import find_file
from app.domain.config import FILE, Origin, RepoFile, Resolved, describe_problems, operators, resolve
from app.domain.config import Setting as Laid
from app.domain.config_check import follow
from app.domain.config_keys import KEYS
from app.domain.errors import Missing, Unauthorized, UserError
from app.domain.names import Repository
from app.domain.policy import Policy
from app.domain.router import describe_router
from app.entry.configuration import setting_of, spell
from app.entry.state import has_store, open_store
from app.github.api import open_github
from app.ports import GitHub
from app.records import Records
from app.settings import Place, ServeSettings, check_settings, find_sources
from app.sources import Given, Sources
from infra.local.clock import SystemClock

NOBODY = "nobody"
NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


class OperatorSettings(ServeSettings):
    """What the operator's view needs: there may be no App yet, and no agent."""

    app_id: int = 0
    private_key_file: Place | None = None
    webhook_secret: SecretStr = SecretStr("")
    agents: list[str] = Field(default=[])


@dataclass(frozen=True, slots=True)
class Explained:
    """A key's value, None if it has none. `origin` is the layer that it comes from, `where` the place in that."""

    key: str
    value: str | None
    origin: str
    where: str
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is in force in a repository, or before any repository was asked; `remarks` are on mistakes in its file."""

    repository: str | None
    values: tuple[Explained, ...]
    remarks: tuple[str, ...] = ()


async def explain(config: Path | None, repository: str | None) -> Explanation:
    """Return what is in force; raises UserError if the settings are wrong or the App is not on the repository."""
    if repository is not None and not NAME.fullmatch(repository):
        raise UserError(f"`{repository}` is no repository: write OWNER/NAME, as in acme/widgets")
    sources = find_sources(config)
    checked = check_settings(OperatorSettings if repository is None else ServeSettings, sources)
    if isinstance(checked, list):
        raise UserError("settings: " + "; ".join(checked))
    if repository is None:
        return lay(None, checked, sources, RepoFile())
    found, file = await _read(checked, repository.lower())
    return lay(found.full_name, checked, sources, file)


async def _read(settings: ServeSettings, name: str) -> tuple[Repository, RepoFile]:
    """Read the file of now; where that cannot be followed, the last good one counts, if Orch's store is here."""
    clock = SystemClock()
    async with open_github(settings.github_api_url, settings.app_id, settings.key(), clock) as github:
        repository = await _find(github, name)
        found = await find_file(github, repository)
    return repository, follow(await _known(settings, repository), found, settings.agents)


async def _find(github: GitHub, name: str) -> Repository:
    try:
        names = {one.full_name.lower(): one for one in await github.repositories()}
    except (Unauthorized, Missing) as error:
        raise UserError(
            f"GitHub does not take the App's key: look at ORCH_APP_ID, ORCH_PRIVATE_KEY(_FILE) and ORCH_GITHUB_API_URL"
            f" ({error})"
        ) from error
    if name not in names:
        raise UserError(f"the App is not installed on {name}; it is on: {', '.join(sorted(names)) or 'no repository'}")
    return names[name]


async def _known(settings: ServeSettings, repository: Repository) -> RepoFile:
    if not has_store(settings):
        return RepoFile()
    async with open_store(settings) as store:
        return await Records(store).repo_file(repository) or RepoFile()


def lay(name: str | None, settings: ServeSettings, sources: Sources, file: RepoFile) -> Explanation:
    """Lay what is known of a repository's file over the operator's layers."""
    policy = settings.policy()
    resolved = resolve(policy, file)
    view = _View(settings, sources, policy, resolved, file)
    remarks = describe_problems(file, most=len(file.problems))
    return Explanation(name, (*map(view.explain, KEYS), view.explain_router()), remarks)


@dataclass(frozen=True, slots=True)
class _View:
    """All that the values of one repository come from."""

    settings: ServeSettings
    sources: Sources
    policy: Policy
    resolved: Resolved
    file: RepoFile

    def explain(self, key: str) -> Explained:
        setting, below = self.resolved.settings[key], self._below(key)
        if setting.value is None:
            setting = replace(below, note=setting.note)
        others = ", ".join(f"{value} in {where}" for value, where in self._others(key, setting, below))
        why = setting.note or (f"instead of {others}" if others else "")
        value = NOBODY if setting.value == () else None if setting.value in (None, "") else spell(setting.value)
        return Explained(key, value, setting.origin.value, self._where(key, setting), why)

    def explain_router(self) -> Explained:
        """Say by what an agent is chosen where nobody names one."""
        router, given = self.policy.router, self.sources.given.get("router")
        origin = Origin.DEFAULT if given is None else Origin.FILE if given.is_in_file else Origin.ENVIRONMENT
        where = "default" if given is None else _place(given)
        return Explained("router", router.mode.value, origin.value, where, describe_router(router))

    def _below(self, key: str) -> Laid:
        """Return what counts unless the repository says something; that of a model is what its agent is set up with."""
        if key != "model":
            return operators(key, self.policy)
        agent = str(self.resolved.settings["agent"].value)
        model, given = self.settings.options_of(agent).model, self.sources.given.get(setting_of(key))
        if model is None or given is None:
            return Laid(None, Origin.DEFAULT)
        return Laid(model, Origin.FILE if given.is_in_file else Origin.ENVIRONMENT)

    def _where(self, key: str, setting: Laid) -> str:
        if setting.origin is Origin.REPOSITORY:
            return f"{FILE}, line {self.file.lines[key]}"
        return "default" if setting.origin is Origin.DEFAULT else _place(self.sources.given[setting_of(key)])

    def _others(self, key: str, setting: Laid, below: Laid) -> Iterator[tuple[str, str]]:
        """Find what layers below asked for that is something else, the highest first."""
        name = setting_of(key)
        if setting.origin is Origin.REPOSITORY and below.origin is not Origin.DEFAULT and below.value != setting.value:
            yield spell(below.value), _place(self.sources.given[name])
        for given in reversed(self.sources.hidden.get(name, [])):
            if key != "model" and spell(given.value) != spell(setting.value):
                yield spell(given.value), _place(given)


def _place(given: Given) -> str:
    return given.origin if given.is_in_file else f"{given.label} ({given.origin})"
