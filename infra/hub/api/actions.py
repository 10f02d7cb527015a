"""Runs of workflows, their jobs, and the logs of those."""

import hashlib
import hmac
from datetime import UTC, datetime

from infra.hub.api.checks import find_run
from infra.hub.auth import Kind
from infra.hub.call import Call, Route
from infra.hub.check_records import ACTIONS, CheckRun, CheckSuite
from infra.hub.errors import ApiError, not_found
from infra.hub.records import Repository, Role
from infra.hub.shapes.checks import latest, runs_of, show_job, show_workflow_run, suite_state
from infra.hub.wire import Answer
from infra.hub.world import World

LOG_SECONDS = 60


async def list_runs(call: Call) -> Answer:
    """List runs of workflows, newest first; `head_sha`, `branch`, `status` (a status or a conclusion)."""
    repository = _readable(call)
    suites = [suite for suite in call.state.rows(CheckSuite, repository.id) if suite.app_slug == ACTIONS]
    found = [suite for suite in suites if _listed(call, suite)]
    return call.page(
        found[::-1],
        lambda suite: show_workflow_run(call.world, repository, suite),
        lambda shown: {"total_count": len(found), "workflow_runs": shown},
    )


async def get_run(call: Call) -> Answer:
    repository = _readable(call)
    return Answer(200, show_workflow_run(call.world, repository, _find_suite(call, repository)))


async def list_jobs(call: Call) -> Answer:
    """List the jobs of a run; `filter` latest or all."""
    repository = _readable(call)
    suite = _find_suite(call, repository)
    found = runs_of(call.world, suite)
    jobs = found if call.query("filter") == "all" else latest(found)
    return call.page(
        jobs,
        lambda run: show_job(call.world, repository, suite, run),
        lambda shown: {"total_count": len(jobs), "jobs": shown},
    )


async def get_job(call: Call) -> Answer:
    repository = _readable(call)
    return Answer(200, show_job(call.world, repository, *_find_job(call, repository)))


async def get_log(call: Call) -> Answer:
    """Lead to the log, which is kept on another host and lets itself be read for a minute without a credential."""
    repository = _readable(call)
    if call.principal.kind is Kind.ANONYMOUS:
        raise ApiError(403, "Must have admin rights to Repository.")
    _, run = _find_job(call, repository)
    if run.log is None:
        raise not_found()
    return Answer(302, headers={"Location": log_address(call.world, run)})


async def read_log(call: Call) -> Answer:
    """Give a log to whoever has its address; like the storage behind GitHub, to nobody who brings a credential too."""
    run = call.state.get(CheckRun, call.number("run_id"))
    if "Authorization" in call.request.headers:
        raise ApiError(400, "Only one way of authentication is supported")
    expires = call.query("expires")
    if run is None or run.log is None or not expires.isdigit() or int(expires) < call.world.now():
        raise ApiError(404, "The specified blob does not exist.")
    if not hmac.compare_digest(_signature(call.world, run, expires).encode(), call.query("signature").encode()):
        raise ApiError(403, "Signature did not match.")
    return Answer(200, text=written(run))


def log_address(world: World, run: CheckRun) -> str:
    """Name the hub as another host than the one that the API is at."""
    scheme, _, host = world.base_url.partition("://")
    other = host.replace("127.0.0.1", "localhost") if "127.0.0.1" in host else f"127.0.0.1:{host.rpartition(':')[2]}"
    expires = str(int(world.now()) + LOG_SECONDS)
    return f"{scheme}://{other}/_hub/logs/{run.id}?expires={expires}&signature={_signature(world, run, expires)}"


def written(run: CheckRun) -> str:
    """Write a log as GitHub keeps it: a byte order mark, and the time before each line."""
    moment = datetime.fromtimestamp(run.started or run.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.0000000Z")
    return "\ufeff" + "".join(f"{moment} {line}" for line in (run.log or "").splitlines(keepends=True))


def _signature(world: World, run: CheckRun, expires: str) -> str:
    return hmac.new(world.key_file.read_bytes(), f"log {run.id} {expires}".encode(), hashlib.sha256).hexdigest()


def _readable(call: Call) -> Repository:
    repository = call.repository()
    call.require(repository, Role.READ, "read", "actions")
    return repository


def _listed(call: Call, suite: CheckSuite) -> bool:
    states = ("", *filter(None, suite_state(latest(runs_of(call.world, suite)))))
    return (
        call.query("head_sha") in ("", suite.head_sha)
        and call.query("branch") in ("", suite.head_branch)
        and call.query("status") in states
    )


def _find_suite(call: Call, repository: Repository) -> CheckSuite:
    run_id = call.number("run_id")
    found = (one for one in call.state.rows(CheckSuite, repository.id) if one.run_id == run_id)
    suite = next(found, None)
    if suite is None:
        raise not_found()
    return suite


def _find_job(call: Call, repository: Repository) -> tuple[CheckSuite, CheckRun]:
    suite, run = find_run(call, repository)
    if suite.app_slug != ACTIONS:
        raise not_found()
    return suite, run


ROUTES: list[Route] = [
    ("GET", "/repos/{owner}/{repo}/actions/runs", list_runs),
    ("GET", "/repos/{owner}/{repo}/actions/runs/{run_id}", get_run),
    ("GET", "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs", list_jobs),
    ("GET", "/repos/{owner}/{repo}/actions/jobs/{run_id}", get_job),
    ("GET", "/repos/{owner}/{repo}/actions/jobs/{run_id}/logs", get_log),
]

LOG_ROUTES: list[Route] = [("GET", "/_hub/logs/{run_id}", read_log)]
