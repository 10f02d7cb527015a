"""Check suites, check runs, runs of workflows with their jobs, and commit statuses, as GitHub shows them."""

import zlib
from collections.abc import Iterable

from infra.hub.check_records import ACTIONS, CheckRun, CheckSuite, CommitStatus
from infra.hub.git import CommitInfo
from infra.hub.records import App, Issue, Pull, Ref, Repository, User
from infra.hub.shapes.commits import show_branch, show_commit, show_git_user
from infra.hub.shapes.repositories import api_url, html_url, show_minimal, show_repository
from infra.hub.shapes.users import node_id, show_app, show_user, show_user_by_id
from infra.hub.wire import JSON, maybe_timestamp, timestamp
from infra.hub.world import World

GITHUB = User(9919, "github", "Organization")
ACTIONS_ID = 15368
# The worst of these decides how a suite ended.
BAD = ("failure", "timed_out", "startup_failure", "action_required", "cancelled", "stale")


def suites_on(world: World, repository: Repository, sha: str) -> list[CheckSuite]:
    return world.state.rows(CheckSuite, repository.id, sha)


def runs_of(world: World, suite: CheckSuite) -> list[CheckRun]:
    return world.state.rows(CheckRun, suite.id)


def latest(runs: Iterable[CheckRun]) -> list[CheckRun]:
    """Keep the newest run of each name."""
    return list({run.name: run for run in runs}.values())


def latest_statuses(world: World, repository: Repository, sha: str) -> list[CommitStatus]:
    return list({one.context: one for one in world.state.rows(CommitStatus, repository.id, sha)}.values())


def suite_state(runs: Iterable[CheckRun]) -> tuple[str, str | None]:
    """Give the status and the conclusion that follow from the newest runs."""
    found = list(runs)
    if any(run.status != "completed" for run in found) or not found:
        started = any(run.status != "queued" for run in found)
        return ("in_progress" if started else "queued"), None
    ends = {run.conclusion for run in found}
    bad = next((one for one in BAD if one in ends), None)
    return "completed", bad or ("success" if "success" in ends else next(iter(ends)))


def show_check_app(world: World, suite: CheckSuite) -> JSON:
    """Show the App whose checks these are: one of the hub's, GitHub Actions, or any other by its slug alone."""
    app = None if suite.app_id is None else world.state.get(App, suite.app_id)
    if app is not None:
        return show_app(world, app)
    app_id = ACTIONS_ID if suite.app_slug == ACTIONS else zlib.crc32(suite.app_slug.encode())
    return {
        "id": app_id,
        "slug": suite.app_slug,
        "client_id": f"Iv1.{app_id:016x}",
        "node_id": node_id("Integration", app_id),
        "owner": show_user(world, GITHUB),
        "name": "GitHub Actions" if suite.app_slug == ACTIONS else suite.app_slug,
        "description": None,
        "external_url": world.base_url,
        "html_url": f"{world.base_url}/apps/{suite.app_slug}",
        "created_at": timestamp(0),
        "updated_at": timestamp(0),
        "permissions": {"checks": "write", "metadata": "read"},
        "events": [],
    }


def show_check_run(world: World, repository: Repository, suite: CheckSuite, run: CheckRun) -> JSON:
    url, html = f"{api_url(world, repository)}/check-runs/{run.id}", _run_page(world, repository, suite, run)
    return {
        "id": run.id,
        "name": run.name,
        "node_id": node_id("CheckRun", run.id),
        "head_sha": suite.head_sha,
        "external_id": run.external_id,
        "url": url,
        "html_url": html,
        "details_url": run.details_url or html,
        "status": run.status,
        "conclusion": run.conclusion,
        "started_at": timestamp(run.started or run.created),
        "completed_at": maybe_timestamp(run.completed),
        "output": {
            "title": run.title,
            "summary": run.summary,
            "text": run.text,
            "annotations_count": 0,
            "annotations_url": f"{url}/annotations",
        },
        "check_suite": show_check_suite(world, repository, suite),
        "app": show_check_app(world, suite),
        "pull_requests": show_pulls_of(world, repository, suite),
    }


def show_check_suite(world: World, repository: Repository, suite: CheckSuite) -> JSON:
    runs = latest(runs_of(world, suite))
    status, conclusion = suite_state(runs)
    url = f"{api_url(world, repository)}/check-suites/{suite.id}"
    return {
        "id": suite.id,
        "node_id": node_id("CheckSuite", suite.id),
        "head_branch": suite.head_branch,
        "head_sha": suite.head_sha,
        "status": status,
        "conclusion": conclusion,
        "url": url,
        "before": None,
        "after": suite.head_sha,
        "pull_requests": show_pulls_of(world, repository, suite),
        "app": show_check_app(world, suite),
        "repository": show_repository(world, repository),
        "created_at": timestamp(suite.created),
        "updated_at": timestamp(suite.updated),
        "head_commit": suite.commit,
        "latest_check_runs_count": len(runs),
        "check_runs_url": f"{url}/check-runs",
    }


def show_workflow_run(world: World, repository: Repository, suite: CheckSuite) -> JSON:
    """Show a suite of GitHub Actions as the run of a workflow that it is as well."""
    status, conclusion = suite_state(latest(runs_of(world, suite)))
    url = f"{api_url(world, repository)}/actions/runs/{suite.run_id}"
    actor = show_user_by_id(world, suite.actor_id)
    suite_url = f"{api_url(world, repository)}/check-suites/{suite.id}"
    return {
        "id": suite.run_id,
        "name": suite.workflow,
        "node_id": node_id("WorkflowRun", suite.run_id),
        "check_suite_id": suite.id,
        "check_suite_node_id": node_id("CheckSuite", suite.id),
        "check_suite_url": suite_url,
        "head_branch": suite.head_branch,
        "head_sha": suite.head_sha,
        "path": _workflow_path(suite),
        "run_number": suite.run_number,
        "run_attempt": suite.attempt,
        "referenced_workflows": [],
        "event": "push",
        "display_title": suite.commit["message"].split("\n")[0],
        "status": status,
        "conclusion": conclusion,
        "workflow_id": _workflow_id(suite),
        "workflow_url": f"{api_url(world, repository)}/actions/workflows/{_workflow_id(suite)}",
        "url": url,
        "html_url": f"{html_url(world, repository)}/actions/runs/{suite.run_id}",
        "pull_requests": show_pulls_of(world, repository, suite),
        "created_at": timestamp(suite.created),
        "updated_at": timestamp(suite.updated),
        "run_started_at": timestamp(suite.created),
        "actor": actor,
        "triggering_actor": actor,
        **{f"{name}_url": f"{url}/{name}" for name in ("jobs", "logs", "artifacts", "cancel", "rerun")},
        "previous_attempt_url": None,
        "head_commit": suite.commit,
        "repository": show_repository(world, repository),
        "head_repository": show_repository(world, repository),
        "head_repository_id": repository.id,
    }


def show_workflow(world: World, repository: Repository, suite: CheckSuite) -> JSON:
    number, path = _workflow_id(suite), _workflow_path(suite)
    html = html_url(world, repository)
    return {
        "id": number,
        "node_id": node_id("Workflow", number),
        "name": suite.workflow,
        "path": path,
        "state": "active",
        "created_at": timestamp(repository.created),
        "updated_at": timestamp(repository.created),
        "url": f"{api_url(world, repository)}/actions/workflows/{number}",
        "html_url": f"{html}/blob/{repository.default_branch}/{path}",
        "badge_url": f"{html}/workflows/{suite.workflow}/badge.svg",
    }


def show_job(world: World, repository: Repository, suite: CheckSuite, run: CheckRun) -> JSON:
    """Show a check run of GitHub Actions as the job that it is as well."""
    url = api_url(world, repository)
    return {
        "id": run.id,
        "run_id": suite.run_id,
        "run_url": f"{url}/actions/runs/{suite.run_id}",
        "run_attempt": run.attempt,
        "node_id": node_id("CheckRun", run.id),
        "head_sha": suite.head_sha,
        "head_branch": suite.head_branch,
        "url": f"{url}/actions/jobs/{run.id}",
        "html_url": _run_page(world, repository, suite, run),
        "check_run_url": f"{url}/check-runs/{run.id}",
        "status": run.status,
        "conclusion": run.conclusion,
        "created_at": timestamp(run.created),
        "started_at": timestamp(run.started or run.created),
        "completed_at": maybe_timestamp(run.completed),
        "name": run.name,
        "workflow_name": suite.workflow,
        "steps": [],
        "labels": ["ubuntu-latest"],
        **dict.fromkeys(("runner_id", "runner_name", "runner_group_id", "runner_group_name")),
    }


def show_status(world: World, repository: Repository, status: CommitStatus) -> JSON:
    creator = world.state.load(User, status.creator_id)
    return {**_simple_status(world, repository, status), "creator": show_user(world, creator)}


def show_combined_status(world: World, repository: Repository, sha: str, shown: list[JSON]) -> JSON:
    """Show the newest status of each context; `shown` is one page of them."""
    states = {one.state for one in latest_statuses(world, repository, sha)}
    bad = bool(states & {"failure", "error"})
    url = f"{api_url(world, repository)}/commits/{sha}"
    return {
        "state": "failure" if bad else "pending" if "pending" in states or not states else "success",
        "statuses": shown,
        "sha": sha,
        "total_count": len(latest_statuses(world, repository, sha)),
        "repository": show_repository(world, repository),
        "commit_url": url,
        "url": f"{url}/status",
    }


def show_simple_status(world: World, repository: Repository, status: CommitStatus) -> JSON:
    """Show a status as the combined one does."""
    return {**_simple_status(world, repository, status), "required": None}


def show_status_event(world: World, repository: Repository, commit: CommitInfo, status: CommitStatus) -> JSON:
    heads = [ref for ref in world.state.rows(Ref, repository.id) if ref.sha == status.sha]
    names = [ref.name.removeprefix("refs/heads/") for ref in heads if ref.name.startswith("refs/heads/")]
    branches = [show_branch(world, repository, name, status.sha) for name in names]
    shown = _simple_status(world, repository, status)
    keys = ("id", "state", "context", "description", "target_url", "created_at", "updated_at", "avatar_url")
    return {
        **{key: shown[key] for key in keys},
        "sha": status.sha,
        "name": repository.full_name,
        "commit": show_commit(world, repository, commit),
        "branches": branches,
    }


def show_simple_commit(commit: CommitInfo) -> JSON:
    """Show a commit as check suites do."""
    return {
        "id": commit.sha,
        "tree_id": commit.tree,
        "message": commit.message,
        "timestamp": commit.date.isoformat(),
        "author": show_git_user(commit.author, commit.author_date),
        "committer": show_git_user(commit.committer, commit.date),
    }


def show_pulls_of(world: World, repository: Repository, suite: CheckSuite) -> list[JSON]:
    """List the open pull requests whose head a suite is about, in short."""
    heads = [pull for pull in world.state.rows(Pull, repository.id) if pull.head_sha == suite.head_sha]
    pulls = [pull for pull in heads if pull.head_ref == suite.head_branch]
    shown = show_minimal(repository) | {"url": api_url(world, repository)}
    at = {key: shown[key] for key in ("id", "url", "name")}
    return [
        {
            "id": pull.id,
            "number": pull.number,
            "url": f"{at['url']}/pulls/{pull.number}",
            "head": {"ref": pull.head_ref, "sha": pull.head_sha, "repo": at},
            "base": {"ref": pull.base_ref, "sha": pull.base_sha, "repo": at},
        }
        for pull in pulls
        if world.state.load(Issue, pull.issue_id).state == "open"
    ]


def _simple_status(world: World, repository: Repository, status: CommitStatus) -> JSON:
    return {
        "id": status.id,
        "node_id": node_id("StatusContext", status.id),
        "url": f"{api_url(world, repository)}/statuses/{status.sha}",
        "avatar_url": f"{world.base_url}/avatars/{status.creator_id}",
        "state": status.state,
        "context": status.context,
        "description": status.description,
        "target_url": status.target_url,
        "created_at": timestamp(status.created),
        "updated_at": timestamp(status.created),
    }


def _run_page(world: World, repository: Repository, suite: CheckSuite, run: CheckRun) -> str:
    html = html_url(world, repository)
    if suite.app_slug == ACTIONS:
        return f"{html}/actions/runs/{suite.run_id}/job/{run.id}"
    return f"{html}/runs/{run.id}"


def _workflow_path(suite: CheckSuite) -> str:
    return f".github/workflows/{suite.workflow.lower()}.yml"


def _workflow_id(suite: CheckSuite) -> int:
    return zlib.crc32(_workflow_path(suite).encode())
