"""Check suites and check runs, as Apps write them and everybody reads them."""

from datetime import datetime
from typing import Any

from infra.hub.api.issues import acting
from infra.hub.api.repositories import find_commit
from infra.hub.auth import Kind
from infra.hub.call import Call, Route
from infra.hub.check_records import CheckRun, CheckSuite
from infra.hub.checking import change_run, find_or_open_suite, start_run
from infra.hub.errors import ApiError, invalid, not_found
from infra.hub.git import BadObject
from infra.hub.records import App, Ref, Repository, Role
from infra.hub.shapes.checks import latest, runs_of, show_check_run, show_check_suite, suites_on
from infra.hub.wire import JSON, Answer

RESOURCE = "CheckRun"
LIMIT = 65_535
STATUSES = ("queued", "in_progress", "completed")
CONCLUSIONS = ("success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required")


async def list_check_runs(call: Call) -> Answer:
    """List the check runs on a commit, newest first; `filter` latest or all, `check_name`, `status`, `app_id`."""
    repository = readable(call)
    commit = await find_commit(call, repository, call.param("ref"))
    return _page_of_runs(call, repository, suites_on(call.world, repository, commit.sha))


async def list_suite_runs(call: Call) -> Answer:
    repository = readable(call)
    return _page_of_runs(call, repository, [find_suite(call, repository, call.number("suite_id"))])


async def list_check_suites(call: Call) -> Answer:
    repository = readable(call)
    commit = await find_commit(call, repository, call.param("ref"))
    found = suites_on(call.world, repository, commit.sha)
    return call.page(
        found,
        lambda suite: show_check_suite(call.world, repository, suite),
        lambda shown: {"total_count": len(found), "check_suites": shown},
    )


async def get_check_suite(call: Call) -> Answer:
    repository = readable(call)
    suite = find_suite(call, repository, call.number("suite_id"))
    return Answer(200, show_check_suite(call.world, repository, suite))


async def get_check_run(call: Call) -> Answer:
    repository = readable(call)
    return Answer(200, show_check_run(call.world, repository, *find_run(call, repository)))


async def create_check_run(call: Call) -> Answer:
    repository = call.repository()
    app = _app(call, repository)
    act, name, sha = acting(call, repository), call.text(RESOURCE, "name"), call.text(RESOURCE, "head_sha")
    given = given_of(call)
    try:
        suite = await find_or_open_suite(act, sha, branch_at(call, repository, sha), app)
    except BadObject as error:
        raise ApiError(422, f"No commit found for SHA: {sha}") from error
    with call.state.transaction():
        run = start_run(act, suite, name, **given)
        return Answer(201, show_check_run(call.world, repository, suite, run))


async def update_check_run(call: Call) -> Answer:
    repository = call.repository()
    app = _app(call, repository)
    suite, run = find_run(call, repository)
    if suite.app_id != app.id:
        raise ApiError(403, "Invalid app_id `%s` - check run can only be modified by the GitHub App that created it.")
    act, given = acting(call, repository), given_of(call)
    if call.has("name"):
        given["name"] = call.text(RESOURCE, "name")
    with call.state.transaction():
        run = change_run(act, suite, run, **given)
        return Answer(200, show_check_run(call.world, repository, suite, run))


def readable(call: Call) -> Repository:
    repository = call.repository()
    call.require(repository, Role.READ, "read", "checks")
    return repository


def find_suite(call: Call, repository: Repository, suite_id: int) -> CheckSuite:
    suite = call.state.get(CheckSuite, suite_id)
    if suite is None or suite.repository_id != repository.id:
        raise not_found()
    return suite


def find_run(call: Call, repository: Repository) -> tuple[CheckSuite, CheckRun]:
    """Find the check run of the path, which is a job's id too."""
    run = call.state.get(CheckRun, call.number("run_id"))
    if run is None:
        raise not_found()
    return find_suite(call, repository, run.suite_id), run


def branch_at(call: Call, repository: Repository, sha: str) -> str | None:
    """Find a branch whose head a commit is."""
    names = [ref.name for ref in call.state.rows(Ref, repository.id) if ref.sha == sha]
    return next((name.removeprefix("refs/heads/") for name in names if name.startswith("refs/heads/")), None)


def given_of(call: Call) -> dict[str, Any]:
    """Take what a request says of a run. Raises ApiError 422."""
    given: dict[str, Any] = {}
    for key in ("details_url", "external_id", "status", "conclusion"):
        if call.fields().get(key) is not None:
            given[key] = call.text(RESOURCE, key)
    for key in ("started_at", "completed_at"):
        if call.fields().get(key) is not None:
            given[key.removesuffix("_at")] = _moment(call.text(RESOURCE, key))
    if given.get("status", "queued") not in STATUSES:
        raise invalid(RESOURCE, "status")
    if given.get("conclusion", "success") not in CONCLUSIONS:
        raise invalid(RESOURCE, "conclusion")
    if given.get("status") == "completed" and "conclusion" not in given:
        raise invalid(RESOURCE, "conclusion", "missing_field")
    return given | _output(call.fields().get("output") or {})


def _output(output: JSON) -> JSON:
    for key in ("summary", "text"):
        if len(output.get(key) or "") > LIMIT:
            raise invalid(RESOURCE, key, "custom", f"{key} exceeds a maximum bytesize of {LIMIT}")
    return {key: output[key] for key in ("title", "summary", "text") if key in output}


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise ApiError(422, f"Invalid request.\n\n{text!r} is not a valid date-time.") from error


def _app(call: Call, repository: Repository) -> App:
    """Give the App that calls: only Apps write checks."""
    if call.principal.kind is not Kind.INSTALLATION or call.principal.installation is None:
        raise ApiError(403, "You must authenticate via a GitHub App.")
    call.require(repository, Role.WRITE, "write", "checks")
    return call.state.load(App, call.principal.installation.app_id)


def _page_of_runs(call: Call, repository: Repository, suites: list[CheckSuite]) -> Answer:
    newest = call.query("filter", "latest") != "all"
    pairs = [
        (suite, run)
        for suite in suites
        for run in (latest(runs_of(call.world, suite)) if newest else runs_of(call.world, suite))
        if call.query("check_name") in ("", run.name) and call.query("status") in ("", run.status)
    ]
    shown = [show_check_run(call.world, repository, *pair) for pair in reversed(pairs)]
    shown = [one for one in shown if call.query("app_id") in ("", str(one["app"]["id"]))]
    return call.page(shown, dict, lambda page: {"total_count": len(shown), "check_runs": page})


ROUTES: list[Route] = [
    ("POST", "/repos/{owner}/{repo}/check-runs", create_check_run),
    ("GET", "/repos/{owner}/{repo}/check-runs/{run_id}", get_check_run),
    ("PATCH", "/repos/{owner}/{repo}/check-runs/{run_id}", update_check_run),
    ("GET", "/repos/{owner}/{repo}/check-suites/{suite_id}", get_check_suite),
    ("GET", "/repos/{owner}/{repo}/check-suites/{suite_id}/check-runs", list_suite_runs),
    ("GET", "/repos/{owner}/{repo}/commits/{ref:.+}/check-runs", list_check_runs),
    ("GET", "/repos/{owner}/{repo}/commits/{ref:.+}/check-suites", list_check_suites),
]
