"""Fakes at the ports: as much of each as loading a snapshot uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain.config import FILE
from app.domain.errors import Missing
from app.domain.facts import BranchRules, Check, Comment, Issue, MergeView, Permission, Pull, Review, Standing, Thread
from app.domain.names import Repository
from app.ports import Document
from tests.unit import build
from tests.unit.build import NOW


class StillClock:
    """Time that stands."""

    def now(self) -> datetime:
        return NOW

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here sleeps")


@dataclass
class FakeStore:
    """Documents in a dictionary, versions included."""

    documents: dict[tuple[str, str], Document] = field(default_factory=dict)

    async def get(self, partition: str, key: str) -> Document | None:
        return self.documents.get((partition, key))

    async def query(self, partition: str, prefix: str = "") -> Sequence[Document]:
        return [
            found for (place, key), found in self.documents.items() if place == partition and key.startswith(prefix)
        ]

    async def commit(
        self, partition: str, puts: Mapping[str, Mapping[str, Any]], *, expected: Mapping[str, int]
    ) -> None:
        for key, body in puts.items():
            known = self.documents.get((partition, key))
            version = known.version if known else 0
            assert expected[key] == version
            self.documents[partition, key] = Document(key, version + 1, body)


@dataclass
class FakeGitHub:
    """One issue and what hangs on it; `asked` lists the questions in the order of their names."""

    held_issue: Issue | None = None
    held_comments: Sequence[Comment] | None = ()
    held_pull: Pull | None = None
    head: str | None = None
    head_author: int | None = None
    permissions: Mapping[str, Permission] = field(default_factory=dict)
    held_file: bytes | Exception | None = None
    held_beside: Mapping[str, bytes] = field(default_factory=dict)
    held_rules: BranchRules | Exception = field(default_factory=BranchRules)
    held_threads: Sequence[Thread] = ()
    held_checks: Sequence[Check] = ()
    held_view: MergeView | None = None
    asked: list[str] = field(default_factory=list)

    async def issue(self, repository: Repository, number: int) -> Issue:
        self.asked.append("issue")
        if self.held_issue is None:
            raise Missing("no such issue")
        return self.held_issue

    async def file(self, repository: Repository, path: str) -> bytes | None:
        self.asked.append(path)
        if isinstance(self.held_file, Exception):
            raise self.held_file
        return self.held_file if path == FILE else self.held_beside.get(path)

    async def rules(self, repository: Repository, branch: str) -> BranchRules:
        self.asked.append(f"rules of {branch}")
        if isinstance(self.held_rules, Exception):
            raise self.held_rules
        return self.held_rules

    async def standing(self, repository: Repository, login: str) -> Standing:
        self.asked.append("standing")
        if login not in self.permissions:
            raise Missing("no such user")
        return build.standing(self.permissions[login])

    async def comments(self, repository: Repository, number: int) -> Sequence[Comment]:
        self.asked.append("comments")
        if self.held_comments is None:
            raise Missing("no such issue")
        return self.held_comments

    async def reviews(self, repository: Repository, number: int) -> Sequence[Review]:
        self.asked.append("reviews")
        return []

    async def threads(self, repository: Repository, number: int) -> Sequence[Thread]:
        self.asked.append("threads")
        return self.held_threads

    async def checks(self, repository: Repository, sha: str) -> Sequence[Check]:
        self.asked.append("checks")
        return self.held_checks

    async def merge_view(self, repository: Repository, number: int) -> MergeView:
        self.asked.append("merge_view")
        if self.held_view is None:
            raise Missing("no such pull request")
        return self.held_view

    async def pull(self, repository: Repository, number: int) -> Pull:
        self.asked.append("pull")
        if self.held_pull is None:
            raise Missing("no such pull request")
        return self.held_pull

    async def branch_head(self, repository: Repository, branch: str) -> str | None:
        self.asked.append("branch_head")
        return self.head

    async def commit_author(self, repository: Repository, sha: str) -> int | None:
        self.asked.append("commit_author")
        return self.head_author

    async def pulls_from(self, repository: Repository, branch: str) -> Sequence[Pull]:
        self.asked.append("pulls_from")
        return [self.held_pull] if self.held_pull else []
