"""The hub's own routes for playing CI: checks that end as they are told to, and CI that runs at every push."""

from dataclasses import replace
from typing import Any

from infra.hub.act import Act
from infra.hub.api.checks import branch_at, find_run, given_of
from infra.hub.call import Call, Route
from infra.hub.check_records import ACTIONS, CiRule
from infra.hub.checking import change_run, find_or_open_suite, start_run
from infra.hub.errors import ApiError, not_found
from infra.hub.git import BadObject
from infra.hub.records import Repository, User
from infra.hub.setup import ensure_user
from infra.hub.shapes.checks import show_check_run
from infra.hub.wire import Answer

RESOURCE = "CheckRun"


async def post_check(call: Call) -> Answer:
    """Start a check `name` on a `sha` or on a `branch`'s head, or make one that is over, with a `conclusion`.

    `log`, `title`, `summary`; `app` is a slug, GitHub Actions' by default.
    """
    act = acting_here(call)
    repository = act.repository
    branch, sha = call.maybe_text(RESOURCE, "branch"), call.maybe_text(RESOURCE, "sha")
    if sha is None:
        sha = await call.world.git(repository).resolve(f"refs/heads/{branch or repository.default_branch}")
    if sha is None:
        raise ApiError(422, f"There is no branch {branch}")
    slug = call.maybe_text(RESOURCE, "app") or ACTIONS
    try:
        suite = await find_or_open_suite(act, sha, branch or branch_at(call, repository, sha), None, slug)
    except BadObject as error:
        raise ApiError(422, str(error)) from error
    with call.state.transaction():
        run = start_run(act, suite, call.text(RESOURCE, "name"), **_given(call))
        return Answer(201, show_check_run(call.world, repository, suite, run))


async def patch_check(call: Call) -> Answer:
    """Bring a check further, or end it with a `conclusion`."""
    act = acting_here(call)
    suite, run = find_run(call, act.repository)
    with call.state.transaction():
        run = change_run(act, suite, run, **_given(call))
        return Answer(200, show_check_run(call.world, act.repository, suite, run))


async def rerun_check(call: Call) -> Answer:
    """Run a check again: a new run of the same name, as `post_check` describes it."""
    act = acting_here(call)
    suite, run = find_run(call, act.repository)
    with call.state.transaction():
        again = start_run(act, suite, run.name, **_given(call))
        return Answer(201, show_check_run(call.world, act.repository, suite, again))


async def put_ci(call: Call) -> Answer:
    """Have every push to a branch checked: `name`, and `fails_on`, the file whose presence fails it."""
    repository = acting_here(call).repository
    found = next(iter(call.state.rows(CiRule, repository.id)), None)
    with call.state.transaction():
        rule = found or CiRule(call.state.new_id(), repository.id)
        name, fails_on = call.maybe_text("CiRule", "name"), call.maybe_text("CiRule", "fails_on")
        rule = call.state.put(replace(rule, name=name or rule.name, fails_on=fails_on or rule.fails_on))
    return Answer(200, {"name": rule.name, "fails_on": rule.fails_on})


async def delete_ci(call: Call) -> Answer:
    repository = acting_here(call).repository
    with call.state.transaction():
        for rule in call.state.rows(CiRule, repository.id):
            call.state.delete(rule)
    return Answer(204)


def acting_here(call: Call) -> Act:
    """Act in the path's repository as `sender`, by default its owner."""
    repository = call.state.find(Repository, f"{call.param('owner')}/{call.param('repo')}")
    if repository is None:
        raise not_found()
    login = call.maybe_text("User", "sender")
    with call.state.transaction():
        owner = call.state.load(User, repository.owner_id)
        return Act(call.world, repository, owner if login is None else ensure_user(call.world, login))


def _given(call: Call) -> dict[str, Any]:
    given = given_of(call)
    texts = {key: call.maybe_text(RESOURCE, key) for key in ("log", "title", "summary", "text")}
    return given | {key: text for key, text in texts.items() if text is not None}


CHECKS = "/_hub/repositories/{owner}/{repo}/checks"

ROUTES: list[Route] = [
    ("POST", CHECKS, post_check),
    ("PATCH", CHECKS + "/{run_id}", patch_check),
    ("POST", CHECKS + "/{run_id}/rerun", rerun_check),
    ("PUT", "/_hub/repositories/{owner}/{repo}/ci", put_ci),
    ("DELETE", "/_hub/repositories/{owner}/{repo}/ci", delete_ci),
]
