"""The head of a payload: what is as expected is read, and nothing else keeps a delivery from being taken."""

import json
from typing import Any

import pytest

from app.web.head import Head, Thing, read_head

PAYLOAD = {
    "action": "labeled",
    "issue": {"number": 5, "title": "Add hello", "labels": [{"id": 1}]},
    "repository": {"id": 7, "full_name": "acme/widgets", "owner": {"id": 2}},
    "installation": {"id": 3},
}
HEAD = Head(
    action="labeled",
    issue=Thing(number=5),
    repository=Thing(id=7, full_name="acme/widgets"),
    installation=Thing(id=3),
)


def test_the_head_is_what_says_what_a_payload_is_about() -> None:
    assert read_head(json.dumps(PAYLOAD).encode()) == HEAD


@pytest.mark.parametrize("title", ['"\\ud800"', '"' + "[" * 5000 + '"', "1e999", "[" * 300 + "]" * 300])
def test_the_rest_may_hold_what_json_can_say(title: str) -> None:
    body = json.dumps(PAYLOAD).replace('"Add hello"', title)
    assert read_head(body.encode()) == HEAD


@pytest.mark.parametrize(
    ("payload", "head"),
    [
        ({"action": 5, "repository": {"id": "seven"}, "issue": [5]}, Head(repository=Thing())),
        ({"issue": {"number": True}, "pull_request": None}, Head(issue=Thing())),
        ({"repository": {"id": 7.5, "full_name": None}}, Head(repository=Thing())),
        ({}, Head()),
    ],
)
def test_what_is_not_as_expected_is_not_there(payload: dict[str, Any], head: Head) -> None:
    assert read_head(json.dumps(payload).encode()) == head


@pytest.mark.parametrize("body", [b"null", b"[]", b"7", b"", b"{", b"\xff\xfe", b"payload=%7B%7D", b"[" * 100_000])
def test_what_is_no_object_has_no_head(body: bytes) -> None:
    assert read_head(body) is None
