"""The GitHub port over REST: the questions Orch asks and the changes it makes."""

from base64 import b64decode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import aiohttp

from app.domain.errors import Missing, Permanent, Retryable
from app.domain.facts import Comment, Identity, Issue, Permission, Pull, Standing
from app.domain.grants import RunToken
from app.domain.names import Repository
from app.github.answers import read_comment, read_issue, read_pull, read_repository
from app.github.asking import is_refused
from app.github.auth import AppCredential, GivenCredential, Scope
from app.github.checks import ChecksApi
from app.github.client import Client, Transport
from app.github.faults import Rejected
from app.github.linking import LinkingApi
from app.github.looking import LookingApi
from app.github.merging import MergingApi
from app.github.pacing import Pacing
from app.github.reviews import ReviewsApi
from app.ports import Clock


class GitHubApi(LinkingApi, LookingApi, ReviewsApi, ChecksApi, MergingApi):
    """Implement `ports.GitHub` for one App, on github.com or any server that speaks the same REST."""

    async def identity(self) -> Identity:
        app = await self._app.ask("GET", "/app")
        bot = await (await self._any_client()).ask("GET", "/users/{login}", login=f"{app['slug']}[bot]")
        return Identity(app_id=app["id"], slug=app["slug"], bot_id=bot["id"], bot_login=bot["login"])

    async def repositories(self) -> Sequence[Repository]:
        found: list[Repository] = []
        for installation in await self._installations():
            with suppress(Missing):  # uninstalled since it was listed
                found.extend(await self._repositories_of(installation))
        return found

    async def repository(self, repository: Repository) -> Repository:
        return read_repository(await self._ask(repository, "GET", ""), repository.installation_id)

    async def standing(self, repository: Repository, login: str) -> Standing:
        try:
            answer = await self._ask(repository, "GET", "/collaborators/{login}/permission", login=login)
        except Missing as error:
            if "is not a user" in str(error):
                return Standing()
            raise
        return Standing(
            permission=Permission(answer["permission"]), role=answer.get("role_name") or answer["permission"]
        )

    async def file(self, repository: Repository, path: str) -> bytes | None:
        try:
            found = await self._ask(repository, "GET", "/contents/{+file}", file=path)
        except Missing:
            return None
        if not isinstance(found, dict) or found["type"] != "file":  # a folder, or another repository in it
            return None
        if found["encoding"] != "base64":
            raise Permanent(f"{path} is larger than 1 MB, more than GitHub shows of a file")
        return b64decode(found["content"])

    async def issues_labeled(self, repository: Repository, label: str, state: str) -> Sequence[Issue]:
        found = await self._list(repository, "/issues{?labels,state,per_page}", labels=label, state=state)
        return [read_issue(issue) for issue in found if "pull_request" not in issue]

    async def comments(self, repository: Repository, number: int) -> Sequence[Comment]:
        found = await self._list(repository, "/issues/{number}/comments{?per_page}", number=number)
        return [read_comment(comment) for comment in found]

    async def create_comment(self, repository: Repository, number: int, body: str) -> int:
        made = await self._ask(repository, "POST", "/issues/{number}/comments", {"body": body}, number=number)
        return int(made["id"])

    async def edit_comment(self, repository: Repository, comment_id: int, body: str) -> None:
        await self._ask(repository, "PATCH", "/issues/comments/{id}", {"body": body}, id=comment_id)

    async def pin_comment(self, repository: Repository, comment_id: int) -> None:
        await self._ask(repository, "PUT", "/issues/comments/{id}/pin", id=comment_id)

    async def react(self, repository: Repository, comment_id: int, reaction: str) -> None:
        wanted = {"content": reaction}
        await self._ask(repository, "POST", "/issues/comments/{id}/reactions", wanted, id=comment_id)

    async def close_issue(self, repository: Repository, number: int) -> None:
        closed = {"state": "closed", "state_reason": "completed"}
        await self._ask(repository, "PATCH", "/issues/{number}", closed, number=number)

    async def branch_head(self, repository: Repository, branch: str) -> str | None:
        try:
            ref = await self._ask(repository, "GET", "/git/ref/heads{/branch*}", branch=branch.split("/"))
        except Missing:
            return None
        except Rejected as error:
            if error.status == 409:  # the repository is empty
                return None
            raise
        return str(ref["object"]["sha"])

    async def commit_author(self, repository: Repository, sha: str) -> int | None:
        commit = await self._ask(repository, "GET", "/commits/{sha}", sha=sha)
        return commit["author"]["id"] if commit["author"] else None

    async def create_branch(self, repository: Repository, branch: str, sha: str) -> bool:
        try:
            await self._ask(repository, "POST", "/git/refs", {"ref": f"refs/heads/{branch}", "sha": sha})
        except Rejected as error:
            if is_refused(error, "already exists"):
                return False
            raise
        return True

    async def move_branch(self, repository: Repository, branch: str, sha: str) -> None:
        moved = {"sha": sha, "force": False}
        await self._ask(repository, "PATCH", "/git/refs/heads{/branch*}", moved, branch=branch.split("/"))

    async def delete_ref(self, repository: Repository, ref: str) -> None:
        names = ref.removeprefix("refs/").split("/")
        try:
            await self._ask(repository, "DELETE", "/git/refs{/names*}", names=names)
        except Missing:
            return
        except Rejected as error:
            if not is_refused(error, "does not exist"):
                raise

    async def pull(self, repository: Repository, number: int) -> Pull:
        return read_pull(await self._ask(repository, "GET", "/pulls/{number}", number=number))

    async def pulls_from(self, repository: Repository, branch: str) -> Sequence[Pull]:
        return await self._pulls(repository, branch, state="all")

    async def create_pull(self, repository: Repository, branch: str, base: str, title: str, body: str) -> Pull:
        """Open a pull request, or return the open one if there is one from `branch` to `base`.

        Raises Retryable when GitHub knows of it and does not list it yet.
        """
        wanted = {"title": title, "head": branch, "base": base, "body": body}
        try:
            return read_pull(await self._ask(repository, "POST", "/pulls", wanted))
        except Rejected as error:
            if not is_refused(error, "already exists"):
                raise
        for pull in await self._pulls(repository, branch, base=base, state="open"):
            return pull
        raise Retryable(f"the pull request from {branch} exists and is not listed yet")

    async def mint(self, repository: Repository, permissions: Mapping[str, str]) -> RunToken:
        scope = Scope(repository.installation_id, tuple(permissions.items()), (repository.id,))
        return await self._tokens.mint(scope)

    async def revoke(self, token: RunToken) -> None:
        client = Client(self._transport, GivenCredential("run token", token.value))
        try:
            await client.ask("DELETE", "/installation/token")
        except Rejected as error:
            if error.status != 401:  # 401: it ended, or was revoked before
                raise

    async def _pulls(self, repository: Repository, branch: str, **filters: str) -> list[Pull]:
        head = f"{repository.owner}:{branch}"
        found = await self._list(repository, "/pulls{?head,base,state,per_page}", head=head, **filters)
        # `head` also matches forks that belong to the same owner.
        own = [pull for pull in found if (pull["head"]["repo"] or {}).get("id") == repository.id]
        return sorted(map(read_pull, own), key=lambda pull: pull.number, reverse=True)

    async def _installations(self) -> list[int]:
        found = await self._app.pages("/app/installations{?per_page}")
        return [installation["id"] for installation in found if not installation["suspended_at"]]

    async def _repositories_of(self, installation: int) -> list[Repository]:
        found = await self._client(installation).pages("/installation/repositories{?per_page}", "repositories")
        return [read_repository(repository, installation) for repository in found if not repository["archived"]]

    async def _any_client(self) -> Client:
        # GitHub serves /users to installations and to anybody, but not to a JWT.
        for installation in await self._installations():
            return self._client(installation)
        return self._signed(GivenCredential("nobody"))


@asynccontextmanager
async def open_github(
    api_url: str,
    app_id: int,
    private_key: str,
    clock: Clock,
    *,
    timeout: float = 10.0,
    repeats: int = 2,
    base_delay: float = 0.5,
    write_gap: float = 0.0,
) -> AsyncIterator[GitHubApi]:
    """Connect to the GitHub at `api_url` as the App, and close the connections at the end.

    `private_key` is PEM. `timeout` is the limit of one request, `base_delay` the first back-off before a repeat,
    `write_gap` the least time between two writes of an installation (github.com advises 1); all in seconds.
    """
    app = AppCredential(app_id, private_key, clock)
    async with aiohttp.ClientSession() as session:
        pacing = Pacing(clock, write_gap)
        api = GitHubApi(Transport(session, api_url, clock, pacing, timeout, repeats, base_delay), app)
        try:
            yield api
        finally:
            await api.close()
