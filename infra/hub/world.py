"""The hub's whole world: state, repositories on disk, faults, and the lookups that everything needs."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from infra.hub.faults import Faults
from infra.hub.git import Identity
from infra.hub.git_signed import SignedRepository
from infra.hub.records import App, Collaborator, Installation, Issue, Repository, Role, User
from infra.hub.state import State


@dataclass(slots=True)
class World:
    """Everything a request can reach.

    `changed` is set when deliveries may be waiting, `sent` after each one was tried, `switched` when other
    faults are on, `queued` when a merge queue may go on. `clock` tells the
    seconds since the epoch. A repository's lock is held over every change of its refs.
    """

    state: State
    root: Path
    faults: Faults
    base_url: str = ""
    clock: Callable[[], float] = time.time
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    sent: asyncio.Event = field(default_factory=asyncio.Event)
    switched: asyncio.Event = field(default_factory=asyncio.Event)
    queued: asyncio.Event = field(default_factory=asyncio.Event)
    queue_turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    used: dict[str, int] = field(default_factory=dict)
    _locks: dict[int, asyncio.Lock] = field(default_factory=dict)

    @property
    def key_file(self) -> Path:
        return self.root / "app.pem"

    def now(self) -> float:
        return self.clock()

    def git_path(self, repository: Repository) -> Path:
        return self.root / "git" / f"{repository.id}.git"

    def git(self, repository: Repository) -> SignedRepository:
        return SignedRepository(self.git_path(repository))

    def lock(self, repository: Repository) -> asyncio.Lock:
        return self._locks.setdefault(repository.id, asyncio.Lock())

    async def unlocked(self) -> None:
        """Wait for the changes of refs under way; a push is answered before they are all told."""
        for lock in list(self._locks.values()):
            async with lock:
                pass

    def look_at_queues(self) -> None:
        """Have the merge queues looked at: a check or a queue has changed."""
        self.queued.set()

    def app(self) -> App:
        """Give the App that the hub was made with; others come of manifests."""
        return self.state.rows(App)[0]

    def app_key(self, app: App) -> Path:
        """Say where an App's private key is."""
        return self.root / app.key_name

    def role(self, user: User, repository: Repository) -> Role:
        """Give the role that was granted, or follows from owning; NONE on a public repository still reads."""
        if user.id == repository.owner_id:
            return Role.ADMIN
        granted = self.state.find(Collaborator, str(user.id), repository.id)
        if granted is not None and granted.role is not Role.NONE:
            return granted.role
        return Role.NONE if repository.private else Role.READ

    def association(self, user_id: int, repository: Repository) -> str:
        if user_id == repository.owner_id:
            return "OWNER"
        granted = self.state.find(Collaborator, str(user_id), repository.id)
        return "COLLABORATOR" if granted is not None and granted.role is not Role.NONE else "NONE"

    def installation_of(self, repository: Repository, app: App | None = None) -> Installation | None:
        """Find the App's installation that covers a repository."""
        found = self.state.rows(Installation, (app or self.app()).id)
        return next((i for i in found if repository.id in i.repository_ids), None)

    def installations_of(self, repository: Repository) -> list[Installation]:
        """List the installations of all Apps that cover a repository."""
        found = (self.installation_of(repository, app) for app in self.state.rows(App))
        return [installation for installation in found if installation is not None]

    def identity(self, user: User) -> Identity:
        """Give the name and address that a user's commits carry."""
        return Identity(user.login, f"{user.id}+{user.login}@users.noreply.github.com")

    def touch(self, issue: Issue) -> Issue:
        """Write an issue as updated now."""
        return self.state.put(replace(issue, updated=self.now()))


def ensure_key(path: Path) -> str:
    """Read the App's private key, making it first where there is none yet."""
    if not path.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        scratch = path.with_suffix(".new")
        scratch.touch(mode=0o600)
        scratch.write_bytes(pem)
        scratch.replace(path)
    return path.read_text()
