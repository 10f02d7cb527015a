"""Checks as they change, each change with its webhooks.

Everything here that is no coroutine runs inside a transaction of the caller.
"""

from dataclasses import replace
from typing import Any

from infra.hub.act import Act
from infra.hub.check_records import ACTIONS, CheckRun, CheckSuite, CiRule, CommitStatus
from infra.hub.git import BadObject, CommitInfo
from infra.hub.records import App
from infra.hub.shapes.checks import (
    latest,
    runs_of,
    show_check_run,
    show_check_suite,
    show_simple_commit,
    show_status_event,
    show_workflow,
    show_workflow_run,
    suite_state,
)


async def find_or_open_suite(
    act: Act, sha: str, branch: str | None, app: App | None, slug: str = ACTIONS
) -> CheckSuite:
    """Give the suite of an App's checks on a commit, making it first where there is none. Raises BadObject."""
    world, wanted = act.world, app.slug if app is not None else slug
    for suite in world.state.rows(CheckSuite, act.repository.id, sha):
        if suite.app_slug == wanted:
            return suite
    commit = await world.git(act.repository).commit(sha)
    if commit.sha != sha:
        raise BadObject(f"{sha} is no full SHA of a commit")
    now = world.now()
    with world.state.transaction():
        is_actions = wanted == ACTIONS
        return world.state.put(
            CheckSuite(
                id=world.state.new_id(),
                repository_id=act.repository.id,
                head_sha=sha,
                head_branch=branch,
                app_slug=wanted,
                app_id=app.id if app is not None else None,
                created=now,
                updated=now,
                commit=show_simple_commit(commit),
                actor_id=act.user.id,
                run_id=world.state.new_id() if is_actions else 0,
                run_number=world.state.count_up(f"run/{act.repository.id}") if is_actions else 0,
            )
        )


def start_run(act: Act, suite: CheckSuite, name: str, **given: Any) -> CheckRun:
    """Add a run to a suite; one that is over already is told as created and as completed."""
    state, now = act.world.state, act.world.now()
    earlier = [run for run in runs_of(act.world, suite) if run.name == name]
    status = given.pop("status", "queued")
    run = state.put(
        CheckRun(
            id=state.new_id(),
            suite_id=suite.id,
            name=name,
            created=now,
            status="queued" if status == "completed" else status,
            started=None if status == "queued" else now,
            attempt=len(earlier) + 1,
        )
    )
    suite = state.put(replace(suite, updated=now, attempt=max(suite.attempt, run.attempt)))
    _send_run(act, suite, run, "created")
    return change_run(act, suite, run, status=status, **given)


def change_run(act: Act, suite: CheckSuite, run: CheckRun, **given: Any) -> CheckRun:
    """Change a run; a conclusion ends it, and the end of a suite's last one ends the suite."""
    state, now = act.world.state, act.world.now()
    if given.get("conclusion") is not None:
        given["status"] = "completed"
    ends = given.get("status") == "completed" and run.status != "completed"
    if given.get("status", run.status) != "queued" and run.started is None:
        given.setdefault("started", now)
    if ends:
        given.setdefault("completed", now)
    run = state.put(replace(run, **given))
    suite = state.put(replace(suite, updated=now))
    if ends:
        _send_run(act, suite, run, "completed")
        _end_suite(act, suite)
    act.world.look_at_queues()
    return run


def set_status(act: Act, commit: CommitInfo, status: CommitStatus) -> CommitStatus:
    """Write a commit status; the newest of a context is the one that counts."""
    status = act.world.state.put(status)
    act.send("status", show_status_event(act.world, act.repository, commit, status))
    act.world.look_at_queues()
    return status


async def run_ci(act: Act, branch: str, sha: str) -> None:
    """Check a pushed commit, if the repository has CI that runs by itself."""
    rule = next(iter(act.world.state.rows(CiRule, act.repository.id)), None)
    if rule is None:
        return
    failed = await act.world.git(act.repository).read_file(sha, rule.fails_on) is not None
    suite = await find_or_open_suite(act, sha, branch, None)
    if runs_of(act.world, suite):
        return
    said = f"{rule.fails_on} is there" if failed else f"{rule.fails_on} is not there"
    with act.world.state.transaction():
        start_run(
            act,
            suite,
            rule.name,
            conclusion="failure" if failed else "success",
            title=said,
            summary=f"The check `{rule.name}` fails if the tree holds a file {rule.fails_on}.",
            log=f"Looking for {rule.fails_on}\n{'##[error]' if failed else ''}{said}\n",
        )


def _end_suite(act: Act, suite: CheckSuite) -> None:
    status, _ = suite_state(latest(runs_of(act.world, suite)))
    if status != "completed":
        return
    shown = show_check_suite(act.world, act.repository, suite)
    act.send("check_suite", {"action": "completed", "check_suite": shown})
    if suite.app_slug == ACTIONS:
        run = show_workflow_run(act.world, act.repository, suite)
        workflow = show_workflow(act.world, act.repository, suite)
        act.send("workflow_run", {"action": "completed", "workflow": workflow, "workflow_run": run})


def _send_run(act: Act, suite: CheckSuite, run: CheckRun, action: str) -> None:
    shown = show_check_run(act.world, act.repository, suite, run)
    act.send("check_run", {"action": action, "check_run": shown})
