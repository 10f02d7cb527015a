"""The head of a payload: what is as expected is read, and nothing else keeps a delivery from being taken."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.head import OWN_END, Head, read_head
from app.web.quick_head import read_head_quickly

PAYLOAD = {
    "action": "labeled",
    "issue": {"number": 5, "title": "Add hello", "labels": [{"id": 1}]},
    "repository": {"id": 7, "full_name": "acme/widgets", "owner": {"id": 2}},
    "installation": {"id": 3},
}
HEAD = Head(action="labeled", issue=5, repository=7, full_name="acme/widgets", installation=3)
Read = Callable[[bytes], Head | None]
either = pytest.mark.parametrize("read", [read_head, read_head_quickly])


@either
def test_the_head_is_what_says_what_a_payload_is_about(read: Read) -> None:
    assert read(json.dumps(PAYLOAD).encode()) == HEAD


@either
@pytest.mark.parametrize("title", ['"\\ud800"', '"' + "[" * 5000 + '"', "1e999", "[" * 300 + "]" * 300])
def test_the_rest_may_hold_what_json_can_say(read: Read, title: str) -> None:
    body = json.dumps(PAYLOAD).replace('"Add hello"', title)
    assert read(body.encode()) == HEAD


@either
@pytest.mark.parametrize(
    ("payload", "head"),
    [
        ({"action": 5, "repository": {"id": "seven"}, "issue": [5]}, Head()),
        ({"issue": {"number": True}, "pull_request": None}, Head()),
        ({"repository": {"id": 7.5, "full_name": None}}, Head()),
        ({"action": "\ud800", "repository": {"id": 7, "full_name": "\udfff"}}, Head(repository=7)),
        ({}, Head()),
    ],
)
def test_what_is_not_as_expected_is_not_there(read: Read, payload: dict[str, Any], head: Head) -> None:
    assert read(json.dumps(payload).encode()) == head


@either
@pytest.mark.parametrize(("action", "end"), OWN_END.items())
def test_a_link_is_about_the_issue_in_whose_name_it_was_sent(read: Read, action: str, end: str) -> None:
    payload = {"action": action, "issue": {"number": 1}, end: {"number": 9}}
    assert read(json.dumps(payload).encode()) == Head(action=action, issue=9)


@either
@pytest.mark.parametrize("body", [b"null", b"[]", b"7", b"", b"{", b"\xff\xfe", b"payload=%7B%7D", b"[" * 100_000])
def test_what_is_no_object_has_no_head(read: Read, body: bytes) -> None:
    assert read(body) is None


odd = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800") | st.lists(st.integers())
things = odd | st.fixed_dictionaries({}, optional={"id": odd, "number": odd, "full_name": odd, "more": odd})
payloads = st.fixed_dictionaries(
    {},
    optional={
        "action": odd | st.sampled_from(sorted(OWN_END)),
        **dict.fromkeys(("repository", "issue", "pull_request", "installation", *OWN_END.values()), things),
    },
)


@given(payload=payloads)
def test_both_readers_read_the_same(payload: dict[str, Any]) -> None:
    body = json.dumps(payload).encode()
    assert read_head_quickly(body) == read_head(body)
