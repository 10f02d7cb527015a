"""Leave for tool calls: the rules, and what people answered where those leave it to them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from app.domain.approvals import Answer, AskedCall
from app.redaction import Redaction
from runner.agents.base import Asked
from runner.driving import Leave
from runner.leave import LONGEST, leave_for, name_call

HERE = Path("/room/tasks/12/tree")
PUSH = Asked("7", "bash", {"command": "git push origin main"})
FORCE = Asked("7", "bash", {"command": "git push --force"})


def answers(asked: Asked, allowed: bool, reason: str = "") -> tuple[Answer, ...]:
    call = name_call(asked, HERE)
    return (Answer(key=call.key, text=call.text, allowed=allowed, reason=reason),)


def leave(asked: Asked, given: tuple[Answer, ...] = ()) -> Leave:
    return leave_for("headless-safe", asked, HERE, given)


def key(given: Mapping[str, Any], tool: str = "bash", here: Path = HERE) -> str:
    return name_call(Asked("1", tool, given), here).key


def test_what_a_rule_leaves_to_people_is_asked_for() -> None:
    said = leave(PUSH)
    assert (said.granted, said.asked) == (None, name_call(PUSH, HERE))


@pytest.mark.parametrize(
    ("allowed", "reason", "why"),
    [
        (True, "", "a person allowed it"),
        (False, "", "a person refused it"),
        (False, "Not now.", "a person refused it: Not now."),
    ],
)
def test_an_answer_counts_for_its_call(allowed: bool, reason: str, why: str) -> None:
    given = (*answers(FORCE, not allowed), *answers(PUSH, allowed, reason))
    assert leave(PUSH, given) == Leave(allowed, why)


def test_an_answer_counts_for_no_other_call() -> None:
    given = answers(PUSH, True)
    assert leave(Asked("7", "bash", {"command": "git push origin main dev"}), given).granted is None


def test_a_denial_of_the_rules_is_beyond_approval() -> None:
    assert leave(FORCE, answers(FORCE, True)).granted is False


def test_what_the_rules_allow_needs_no_answer() -> None:
    call = Asked("7", "bash", {"command": "ls"})
    assert leave(call, answers(call, False)).granted is True


def test_a_call_is_the_same_wherever_the_workspace_is() -> None:
    there = Path("/elsewhere/tree")
    assert key({"command": f"cat {HERE}/a"}) == key({"command": f"cat {there}/a"}, here=there)


@pytest.mark.parametrize("other", ["cat ./a", "cat \\0/a", "cat \0/a", "cat \\u0000/a"])
def test_no_other_path_is_taken_for_the_workspace(other: str) -> None:
    assert key({"command": other}) != key({"command": f"cat {HERE}/a"})


def test_the_order_of_fields_and_the_words_about_a_command_make_no_other_call() -> None:
    assert key({"command": "x", "cwd": "y"}) == key({"cwd": "y", "command": "x", "description": "Do it"})


@pytest.mark.parametrize(
    ("given", "tool"), [({"command": "x", "env": {"A": "b"}}, "bash"), ({"command": "x"}, "shell"), ({}, "bash")]
)
def test_all_else_makes_another_call(given: Mapping[str, Any], tool: str) -> None:
    assert key(given, tool) != key({"command": "x"})


def test_words_that_are_no_commands_belong_to_a_call() -> None:
    assert key({"description": "a"}, "open_issue") != key({"description": "b"}, "open_issue")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"command": "a\nb", "description": "c"}, r"bash: a\nb"),
        ({"command": "a", "cwd": "/é"}, 'bash: {"command": "a", "cwd": "/é"}'),
        ({"command": ["a", "b"]}, 'bash: {"command": ["a", "b"]}'),
        ({"command": "\ud800"}, r"bash: \ud800"),
    ],
)
def test_people_are_told_all_of_a_call(given: Mapping[str, Any], text: str) -> None:
    assert name_call(Asked("1", "bash", given), HERE) == AskedCall(key=key(given), text=text)


def test_a_call_is_told_without_secrets_and_not_at_any_length() -> None:
    call = Asked("1", "bash", {"command": f"push s3cret-word {'x' * LONGEST}"})
    said = leave_for("headless-safe", call, HERE, hide=Redaction(["s3cret-word"]).text)
    assert said.asked is not None
    assert ("s3cret-word" in said.asked.text + said.why, len(said.asked.text)) == (False, LONGEST)
