"""Pages of pull requests."""

from aiohttp import web

from infra.hub.git import BareRepository, CommitInfo, FileChange, GitError
from infra.hub.pages.issues import labels_to_choose
from infra.hub.pages.merging import merge_box
from infra.hub.pages.rendering import issue_path
from infra.hub.pages.reviews import talks_of
from infra.hub.pages.timeline import timeline
from infra.hub.pages.visit import PageHandler, Visit
from infra.hub.records import Pull
from infra.hub.shapes.issues import labels_of


async def show_pull(visit: Visit) -> web.Response:
    repository = visit.repository()
    issue = visit.issue(repository)
    pull = visit.world.state.find(Pull, issue.key, repository.id)
    if pull is None:
        return visit.go(issue_path(issue, repository))
    git = visit.world.git(repository)
    commits, files = await _changes(git, pull)
    return visit.page(
        "pull.html.j2",
        repository,
        issue=issue,
        pull=pull,
        labels=labels_of(visit.world, issue),
        choice=labels_to_choose(visit, repository),
        timeline=timeline(visit.world.state, issue),
        talks=talks_of(visit.world.state, issue),
        merge=await merge_box(visit.world, repository, issue, pull),
        commits=commits,
        files=files,
    )


async def _changes(git: BareRepository, pull: Pull) -> tuple[list[CommitInfo], list[FileChange]]:
    try:
        commits = await git.commits_between(pull.base_sha, pull.head_sha)
        return commits, await git.files_changed(pull.base_sha, pull.head_sha)
    except GitError:
        return [], []


PAGES: dict[str, PageHandler] = {
    r"/{owner}/{repo}/pull/{number:\d{1,9}}": show_pull,
}
