"""Pages of commits."""

from aiohttp import web

from infra.hub.errors import not_found
from infra.hub.git import GitError
from infra.hub.pages.visit import PageHandler, Visit

# git's own name of the empty tree, to compare a first commit with.
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


async def show_commit(visit: Visit) -> web.Response:
    repository = visit.repository()
    git = visit.world.git(repository)
    try:
        commit = await git.commit(visit.param("sha"))
        files = await git.files_changed(next(iter(commit.parents), EMPTY_TREE), commit.sha)
    except GitError as error:
        raise not_found() from error
    return visit.page("commit.html.j2", repository, commit=commit, files=files)


PAGES: dict[str, PageHandler] = {
    "/{owner}/{repo}/commit/{sha:[0-9a-f]{7,40}}": show_commit,
}
