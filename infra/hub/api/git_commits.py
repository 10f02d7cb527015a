"""Commits as git's own objects."""

from infra.hub.api.issues import acting
from infra.hub.auth import Kind
from infra.hub.call import Call, Route
from infra.hub.errors import ApiError, invalid, not_found
from infra.hub.git import BadObject, Identity
from infra.hub.git_signed import GITHUB
from infra.hub.records import Role
from infra.hub.shapes.commits import show_git_commit
from infra.hub.wire import JSON, Answer

RESOURCE = "Commit"
CUSTOM = ("author", "committer", "signature")


async def get_git_commit(call: Call) -> Answer:
    repository = call.repository()
    call.require(repository, Role.READ, "read", "contents")
    try:
        commit = await call.world.git(repository).commit(call.param("sha"))
    except BadObject as error:
        raise not_found() from error
    if commit.sha != call.param("sha"):
        raise not_found()
    return Answer(200, show_git_commit(call.world, repository, commit))


async def create_git_commit(call: Call) -> Answer:
    """Write a commit of a tree that is there, on no branch.

    Only what an App writes as itself, without `author`, `committer` and `signature`, is signed.
    """
    repository = call.repository()
    call.require(repository, Role.WRITE, "write", "contents")
    act, git = acting(call, repository), call.world.git(repository)
    own = call.world.identity(act.user)
    given = call.fields()
    author = _identity(given.get("author"), own)
    signed = call.principal.kind is Kind.INSTALLATION and not any(given.get(name) for name in CUSTOM)
    committer = GITHUB if signed else _identity(given.get("committer"), author)
    parents = given.get("parents") or []
    if not isinstance(parents, list) or not all(isinstance(parent, str) for parent in parents):
        raise invalid(RESOURCE, "parents")
    tree, message = call.text(RESOURCE, "tree"), call.text(RESOURCE, "message")
    try:
        sha = await git.make_commit(tree, parents, message, author, committer)
    except BadObject as error:
        missing = "Tree SHA does not exist" if "no tree" in str(error) else "Parent SHA does not exist"
        raise ApiError(422, missing) from error
    shown = show_git_commit(call.world, repository, await git.commit(await git.seal(sha) if signed else sha))
    return Answer(201, shown, {"Location": shown["url"]})


def _identity(given: JSON | None, default: Identity) -> Identity:
    if given is None:
        return default
    if not given.get("name") or not given.get("email"):
        raise invalid(RESOURCE, "author", "missing_field")
    return Identity(str(given["name"]), str(given["email"]))


ROUTES: list[Route] = [
    ("GET", "/repos/{owner}/{repo}/git/commits/{sha}", get_git_commit),
    ("POST", "/repos/{owner}/{repo}/git/commits", create_git_commit),
]
