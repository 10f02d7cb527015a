"""What becomes of a delivery: one core for a server and for Lambda, which waits for no framework to be imported."""

import hmac
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from app.github.payloads import READERS
from app.github.wanted import WANTED
from app.web.deliveries import (
    IGNORED,
    NO_DELIVERY,
    NO_JSON,
    NO_OBJECT,
    PONG,
    TOO_LARGE,
    UNSIGNED,
    Answer,
    Delivery,
    judge,
)
from app.web.head import read_head

NEW, OLD = b"new-secret", b"old-secret"
PAYLOAD: dict[str, Any] = {
    "action": "labeled",
    "repository": {"id": 7, "full_name": "acme/widgets"},
    "issue": {"number": 5},
    "installation": {"id": 3},
}


def deliver(payload: Any = PAYLOAD, secret: bytes = NEW, changes: Mapping[str, str] | None = None) -> Answer | Delivery:
    """Judge a payload signed with a secret; `changes` are other headers."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    headers = {
        "x-hub-signature-256": "sha256=" + hmac.digest(secret, body, "sha256").hex(),
        "x-github-delivery": "d-1",
        "x-github-event": "issues",
    }
    return judge(headers | dict(changes or {}), body, (NEW, OLD), read_head)


def test_what_means_something_is_to_be_put_on_the_queue() -> None:
    assert deliver() == Delivery("d-1", "issues", "labeled", "repository:7/5", {"task": "acme/widgets#5"})


@pytest.mark.parametrize("secret", [NEW, OLD])
def test_while_one_secret_replaces_the_other_both_count(secret: bytes) -> None:
    assert isinstance(deliver(secret=secret), Delivery)


@pytest.mark.parametrize("secret", [b"third", b""])
def test_no_other_secret_counts(secret: bytes) -> None:
    assert deliver(secret=secret) is UNSIGNED


@pytest.mark.parametrize("secrets", [(), (b"",)])
def test_without_a_secret_nothing_is_signed(secrets: tuple[bytes, ...]) -> None:
    signature = "sha256=" + hmac.digest(b"", b"{}", "sha256").hex()
    assert judge({"x-hub-signature-256": signature}, b"{}", secrets, read_head) is UNSIGNED


@pytest.mark.parametrize(
    ("changes", "payload", "answer"),
    [
        ({"x-hub-signature-256": ""}, PAYLOAD, UNSIGNED),
        ({"x-hub-signature-256": "gar\u00e7on"}, PAYLOAD, UNSIGNED),
        ({"content-type": "application/x-www-form-urlencoded"}, PAYLOAD, NO_JSON),
        ({"x-github-delivery": "a b"}, PAYLOAD, NO_DELIVERY),
        ({"x-github-event": ""}, PAYLOAD, NO_DELIVERY),
        ({"x-github-event": "ping"}, b"no json", PONG),
        ({}, b"[]", NO_OBJECT),
        ({"x-github-event": "workflow_job"}, PAYLOAD, IGNORED),
        ({}, {**PAYLOAD, "action": "pinned"}, IGNORED),
        ({}, {**PAYLOAD, "action": None}, IGNORED),
        ({}, b"x" * (25 * 1024 * 1024 + 1), TOO_LARGE),
    ],
)
def test_what_else_comes_is_answered(changes: dict[str, str], payload: Any, answer: Answer) -> None:
    assert deliver(payload, changes=changes) is answer


@pytest.mark.parametrize(
    ("payload", "group", "about"),
    [
        ({"pull_request": {"number": 9}, "issue": None}, "repository:7/9", {"pull": "acme/widgets#9"}),
        ({"issue": None}, "repository:7/events", {}),
        ({"repository": None}, "installation:3/events", {}),
        ({"repository": None, "installation": None}, "installation:0/events", {}),
    ],
)
def test_the_group_is_the_narrowest_thing_named(payload: dict[str, Any], group: str, about: dict[str, str]) -> None:
    assert deliver(PAYLOAD | payload) == Delivery("d-1", "issues", "labeled", group, about)


def test_what_is_taken_is_what_there_are_readers_for() -> None:
    assert {(name, action) for name, actions in WANTED.items() for action in actions} == set(READERS)


def test_the_core_needs_nothing_but_the_standard_library() -> None:
    program = "import sys, app.web.deliveries, app.web.head; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    tops = {name.partition(".")[0] for name in found.stdout.split()}
    assert tops - sys.stdlib_module_names - set(sys.builtin_module_names) <= {"app", "__main__", *BY_PTH}


BY_PTH = {"_distutils_hack", "_virtualenv", "sitecustomize", "usercustomize"}
"""What an environment imports by itself."""
