"""Checks and logs as GitHub gives them, read as facts."""

from typing import Any

import pytest

from app.domain.facts import Check, CheckState
from app.github.checks import read_run, read_status
from app.github.logs import plain_log


def run(**given: Any) -> dict[str, Any]:
    shown = {"id": 7, "name": "test", "status": "completed", "conclusion": "success", "html_url": None, "app": None}
    return {**shown, "output": None, **given}


@pytest.mark.parametrize(
    ("status", "conclusion", "state"),
    [
        ("queued", None, CheckState.WAITING),
        ("in_progress", None, CheckState.WAITING),
        ("pending", None, CheckState.WAITING),
        *(("completed", one, CheckState.PASSED) for one in ("success", "neutral", "skipped")),
        *(("completed", one, CheckState.FAILED) for one in ("failure", "cancelled", "timed_out", "action_required")),
        *(("completed", one, CheckState.FAILED) for one in ("stale", "startup_failure", "unheard_of", None)),
    ],
)
def test_a_check_run_has_passed_only_if_it_ended_well(status: str, conclusion: str | None, state: CheckState) -> None:
    assert read_run(run(status=status, conclusion=conclusion)).state is state


def test_a_check_run_of_github_actions_is_a_job() -> None:
    output = {"title": "1 failed", "summary": "test_lid"}
    read = read_run(run(app={"id": 1, "slug": "github-actions"}, html_url="https://github.com/x", output=output))
    said = "1 failed\n\ntest_lid"
    assert read == Check(name="test", state=CheckState.PASSED, url="https://github.com/x", summary=said, job=7)
    assert read_run(run(app={"id": 1, "slug": "circleci"}, details_url="https://circleci.com/x")) == Check(
        name="test", state=CheckState.PASSED, url="https://circleci.com/x"
    )


def test_a_status_that_neither_waits_nor_succeeded_has_failed() -> None:
    states = {
        state: read_status({"context": "lint", "state": state, "target_url": None, "description": None}).state
        for state in ("pending", "success", "failure", "error")
    }
    assert states == {
        "pending": CheckState.WAITING,
        "success": CheckState.PASSED,
        "failure": CheckState.FAILED,
        "error": CheckState.FAILED,
    }


@pytest.mark.parametrize(
    ("log", "plain"),
    [
        ("\ufeff2026-11-21T22:30:40.1234567Z one\n2026-11-21T22:30:40.1Z two\n", "one\ntwo\n"),
        ("2026-11-21T22:30:40.1Z \n2026-11-21T22:30:40.1Z  indented\n", "\n indented\n"),
        ("at 2026-11-21T22:30:40.1Z it broke", "at 2026-11-21T22:30:40.1Z it broke"),
        ("\x1b[36;1mnpm test\x1b[0m\r\n\x1b[2K\x1b[1Gdone", "npm test\ndone"),
        ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x1b(B", "alink"),
        ("2026-11-21T22:30:40.1Z 10%\r50%\r100%\nnext\r\n", "100%\nnext\n"),
        ("a\tb\x00\x08c\x9b", "a\tbc"),
    ],
)
def test_a_log_is_read_without_times_colours_and_control_codes(log: str, plain: str) -> None:
    assert plain_log(log) == plain
