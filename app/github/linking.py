"""Issues and the links between them: what an issue is made of, and what it waits for."""

from collections.abc import Mapping, Sequence
from typing import Any

from cachetools import LRUCache

from app.domain.errors import Missing
from app.domain.facts import Issue, LinkedIssue, SubIssue
from app.domain.names import Repository
from app.github.answers import Json, read_issue, read_repository
from app.github.asking import ROOT, is_refused
from app.github.auth import AppCredential
from app.github.client import Transport
from app.github.faults import Rejected
from app.github.labelling import LabelsApi

# `databaseId` of an issue ends at 32 bits, and GitHub's ids have passed that. Without `enableDuplicate` GitHub says of
# a duplicate nothing.
_LINKED = """
fragment linked on Issue {
  fullDatabaseId
  number
  title
  state
  stateReason(enableDuplicate: true)
  repository { databaseId name owner { login } defaultBranchRef { name } }
}
"""
SUB_ISSUES = f"""
query SubIssues($owner: String!, $name: String!, $number: Int!, $bodies: Boolean!) {{
  repository(owner: $owner, name: $name) {{
    issue(number: $number) {{
      subIssues(first: 100) {{
        nodes {{
          ...linked
          body @include(if: $bodies)
          author {{ ... on Bot {{ databaseId }} ... on User {{ databaseId }} }}
          blockedBy(first: 50) {{ nodes {{ ...linked }} }}
        }}
      }}
    }}
  }}
}}
{_LINKED}"""
CREATE_SUB_ISSUE = f"""
mutation CreateSubIssue($repository: ID!, $parent: ID!, $title: String!, $body: String!) {{
  createIssue(input: {{repositoryId: $repository, parentIssueId: $parent, title: $title, body: $body}}) {{
    issue {{ ...linked }}
  }}
}}
{_LINKED}"""
BLOCKED_BY = "/issues/{number}/dependencies/blocked_by"
BLOCKING = "/issues/{number}/dependencies/blocking"
REPOSITORIES = 1024


class LinkingApi(LabelsApi):
    """The part of `ports.GitHub` that reads issues, and reads and makes the links between them."""

    def __init__(self, transport: Transport, app: AppCredential) -> None:
        super().__init__(transport, app)
        self._repository_nodes: LRUCache[int, str] = LRUCache(REPOSITORIES)

    async def issue(self, repository: Repository, number: int) -> Issue:
        found = await self._ask(repository, "GET", "/issues/{number}", number=number)
        issue = read_issue(found)
        if issue.number != number:
            # A transferred issue redirects to where it is now, under its number there.
            raise Missing(f"{repository.full_name}#{number} was moved to another repository")
        self._learn_issue(repository, found)
        return issue

    async def sub_issues(self, repository: Repository, number: int, *, bodies: bool = False) -> Sequence[SubIssue]:
        asked = {"owner": repository.owner, "name": repository.name, "number": number, "bodies": bodies}
        issue = (await self._graphql_seen(repository, SUB_ISSUES, **asked))["repository"]["issue"]
        if issue is None:
            raise Missing(f"{repository.full_name}#{number} is no issue")
        return [read_sub_issue(node, repository) for node in _seen(issue["subIssues"])]

    async def blocked_by(self, repository: Repository, number: int) -> Sequence[LinkedIssue]:
        return await self._linked(repository, BLOCKED_BY, number)

    async def blocking(self, repository: Repository, number: int) -> Sequence[LinkedIssue]:
        return await self._linked(repository, BLOCKING, number)

    async def create_sub_issue(self, repository: Repository, parent: int, title: str, body: str) -> LinkedIssue:
        nodes = {"repository": await self._repository_node(repository), "parent": await self._node(repository, parent)}
        made = await self._graphql(repository, CREATE_SUB_ISSUE, **nodes, title=title, body=body)
        return read_linked(made["createIssue"]["issue"], repository)

    async def add_blocked_by(self, repository: Repository, number: int, blocker_id: int) -> None:
        try:
            await self._ask(repository, "POST", BLOCKED_BY, {"issue_id": blocker_id}, number=number)
        except Rejected as error:
            if not is_refused(error, "already been taken"):
                raise

    async def _linked(self, repository: Repository, path: str, number: int) -> list[LinkedIssue]:
        homes: dict[str, Repository | None] = {repository.full_name.casefold(): repository}
        found = await self._list(repository, path + "{?per_page}", number=number)
        for issue in found:
            if (name := _home(issue)) not in homes:
                homes[name] = await self._look_at(repository, name)
        return [_read_listed(issue, home) for issue in found if (home := homes[_home(issue)])]

    async def _look_at(self, beside: Repository, name: str) -> Repository | None:
        """Read another repository; None if it is not there to be seen."""
        owner, _, repository = name.partition("/")
        try:
            found = await self._client(beside.installation_id).ask("GET", ROOT, owner=owner, repo=repository)
        except Missing:
            return None
        return read_repository(found, beside.installation_id)

    async def _repository_node(self, repository: Repository) -> str:
        if repository.id not in self._repository_nodes:
            found = await self._ask(repository, "GET", "")
            self._repository_nodes[repository.id] = found["node_id"]
        return self._repository_nodes[repository.id]

    async def _node(self, repository: Repository, number: int) -> str:
        if (repository.id, number) not in self._issue_nodes:
            await self.issue(repository, number)
        return self._issue_nodes[repository.id, number]


def read_sub_issue(node: Json, beside: Repository) -> SubIssue:
    """Return a sub-issue from a GraphQL node; its author is 0 if that account is gone."""
    return SubIssue(
        **_facts(node, beside),
        blocked_by=tuple(read_linked(one, beside) for one in _seen(node["blockedBy"])),
        author_id=(node["author"] or {}).get("databaseId") or 0,
        body=node.get("body") or "",
    )


def read_linked(node: Json, beside: Repository) -> LinkedIssue:
    """Return an issue from a GraphQL node that was found from an issue of `beside`."""
    return LinkedIssue(**_facts(node, beside))


def _facts(node: Json, beside: Repository) -> Mapping[str, Any]:
    reason = node["stateReason"]
    return {
        "id": int(node["fullDatabaseId"]),
        "number": node["number"],
        "repository": _repository(node["repository"], beside),
        "title": node["title"],
        "is_open": node["state"] == "OPEN",
        "state_reason": reason.lower() if reason else None,
    }


def _repository(node: Json, beside: Repository) -> Repository:
    if node["databaseId"] == beside.id:
        return beside
    default = node["defaultBranchRef"]  # none in an empty repository
    return Repository(
        id=node["databaseId"],
        installation_id=beside.installation_id,
        owner=node["owner"]["login"],
        name=node["name"],
        default_branch=default["name"] if default else beside.default_branch,
    )


def _seen(connection: Json) -> list[Json]:
    """Leave out what the App may not see, which GitHub gives as null."""
    return [node for node in connection["nodes"] if node is not None]


def _home(issue: Json) -> str:
    return "/".join(issue["repository_url"].rsplit("/", 2)[1:]).casefold()


def _read_listed(issue: Json, home: Repository) -> LinkedIssue:
    return LinkedIssue(
        id=issue["id"],
        number=issue["number"],
        repository=home,
        title=issue["title"],
        is_open=issue["state"] == "open",
        state_reason=issue.get("state_reason"),
    )
