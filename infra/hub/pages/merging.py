"""What a pull request's page says of checks and of what stands between it and its merge."""

from dataclasses import dataclass

from aiohttp import web

from infra.hub.api.merge_state import dequeue_pull, enqueue_pull
from infra.hub.check_records import CheckRun, CommitStatus
from infra.hub.git import GitError
from infra.hub.pages.rendering import issue_path
from infra.hub.pages.visit import Visit
from infra.hub.queue import entry_of
from infra.hub.records import Issue, Pull, Repository
from infra.hub.rules import (
    FAILED,
    PASSED,
    WAITING,
    asked_of,
    hindrances,
    is_behind,
    state_of_run,
    state_of_status,
    worked_out,
)
from infra.hub.shapes.checks import latest, latest_statuses, runs_of, suites_on
from infra.hub.shapes.users import node_id
from infra.hub.world import World

OUTCOMES = {WAITING: ("pending", "waiting"), PASSED: ("ok", "passed"), FAILED: ("failed", "failed")}


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One check: `look` is how its state is coloured, `word` what it says."""

    name: str
    look: str
    word: str
    said: str
    log: str | None = None


@dataclass(frozen=True, slots=True)
class MergeBox:
    """Whether a pull request can be merged: `mergeable` is None if it is not open or a branch is missing."""

    mergeable: bool | None
    lacking: tuple[str, ...] = ()
    behind: bool = False
    has_queue: bool = False
    queued: bool = False
    checks: tuple[CheckLine, ...] = ()

    @property
    def ready(self) -> bool:
        return self.mergeable is True and not self.lacking and not self.behind


async def merge_box(world: World, repository: Repository, issue: Issue, pull: Pull) -> MergeBox:
    """Work out what the page shows, leaving alone what the API remembers of it."""
    checks = check_lines(world, repository, pull.head_sha)
    if issue.state != "open":
        return MergeBox(None, checks=checks)
    try:
        now = await worked_out(world, repository, pull)
    except GitError:
        return MergeBox(None, checks=checks)
    return MergeBox(
        mergeable=now.mergeable,
        lacking=tuple(hindrances(world, repository, now)),
        behind=is_behind(world, repository, now),
        has_queue=asked_of(world, repository, pull.base_ref).queue,
        queued=entry_of(world, pull) is not None,
        checks=checks,
    )


def check_lines(world: World, repository: Repository, sha: str) -> tuple[CheckLine, ...]:
    runs = [run for suite in suites_on(world, repository, sha) for run in latest(runs_of(world, suite))]
    return tuple(
        [_run_line(run) for run in runs] + [_status_line(one) for one in latest_statuses(world, repository, sha)]
    )


async def post_queue(visit: Visit) -> web.Response:
    """Put a pull request into its merge queue (with the `sha` that was looked at), or take it out."""
    repository = visit.repository()
    issue = visit.issue(repository)
    pull = visit.world.state.find(Pull, issue.key, repository.id)
    if pull is not None:
        about = {"id": node_id("PullRequest", pull.id), "sha": visit.typed("sha")}
        await (dequeue_pull if visit.typed("leave") else enqueue_pull)(visit.call(), about)
    return visit.go(issue_path(issue, repository))


def _run_line(run: CheckRun) -> CheckLine:
    look, word = OUTCOMES[state_of_run(run)]
    said = run.title or (run.conclusion or run.status).replace("_", " ")
    return CheckLine(run.name, look, word, said, run.log)


def _status_line(status: CommitStatus) -> CheckLine:
    look, word = OUTCOMES[state_of_status(status)]
    return CheckLine(status.context, look, word, status.description or "")
