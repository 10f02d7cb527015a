"""The text of `.orch.yml`: what is no plain YAML is refused with its line, before it can do harm."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config_files import find_file
from app.config_yaml import DEEPEST, LARGEST, parse_file
from app.domain.config import Problem
from app.domain.config_check import FoundFile, Tree
from app.domain.names import Repository
from app.ports import GitHub
from tests.unit import build
from tests.unit.draw import examine

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
NOT = "this is not YAML: "
NEXT = "while scanning for the next token, found character"
THAT = "that cannot start any token"
JOINED = "<\u2060"
EMPTY = Tree({}, {})


def test_keys_come_with_what_they_say_and_their_lines() -> None:
    text = "# Orch\ntrigger: ai\n\nmax_attempts: 2\n'branch_prefix': \"ai/work\"\n"
    values = {"trigger": "ai", "max_attempts": 2, "branch_prefix": "ai/work"}
    assert parse_file(text.encode()) == FoundFile(
        text, Tree(values, {"trigger": 2, "max_attempts": 4, "branch_prefix": 5})
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [("x: on", True), ("x: 0x10", 16), ("x: 1.5", 1.5), ("x:", None), ("x: 2025-03-01", "2025-03-01"), ("x: =", "=")],
)
def test_values_are_plain(text: str, value: object) -> None:
    assert parse_file(text.encode()).tree == Tree({"x": value}, {"x": 1})


def test_what_is_nested_is_kept_for_whoever_refuses_it() -> None:
    found = parse_file(b"gates:\n  - run: make test\n")
    assert found.tree == Tree({"gates": [{"run": "make test"}]}, {"gates": 1})


class _Bare:
    async def file(self, repository: Repository, path: str) -> bytes | None:
        return None


async def test_a_file_that_is_not_there_says_nothing() -> None:
    assert await find_file(cast(GitHub, _Bare()), build.repository()) == FoundFile(None, EMPTY)


@pytest.mark.parametrize("text", ["", "\n", "# nothing yet\n", "---\n", "{}", "\ufeff"])
def test_an_empty_file_says_nothing(text: str) -> None:
    assert parse_file(text.encode()).tree == EMPTY


@pytest.mark.parametrize(
    ("data", "line", "text"),
    [
        (b"trigger: ai\ntrigger: bot\n", 2, "`trigger` is there twice, first in line 1; take one out"),
        (b"gates:\n  a: 1\n  a: 2\n", 3, "`a` is there twice, first in line 2; take one out"),
        (b"- trigger\n", 1, "the file must have keys and values, such as `trigger: orch`"),
        (b"just words\n", 1, "the file must have keys and values, such as `trigger: orch`"),
        (b"? [a]\n: 1\n", 1, "a key must be one word"),
        (b"trigger: ai\n\tagent: x\n", 2, f"{NOT}{NEXT} '\\t' {THAT}"),
        (b"a: 1\nb: [@x]", 2, f"{NOT}{NEXT} '@' {THAT}; put what begins with it in quotes"),
        (b"a: 1\n---\nb: 2\n", 2, f"{NOT}expected a single document in the stream, but found another document"),
        (b"a: [1,\n", 2, f"{NOT}while parsing a flow node, expected the node content, but found '{JOINED}stream end>'"),
        (b"a: 1\nb: \x07\n", 2, "the character U+0007 is not allowed"),
        (b"a: 1\nb: \xff\n", 2, "this is not UTF-8 text"),
        (b"a: " + b"9" * 5000, 1, "this number cannot be read"),
        (b"a: !!python/name:os.system x", 1, "tags (`!`) are not allowed; write the value in quotes"),
        (b"a: 1\nb: !!str 2", 2, "tags (`!`) are not allowed; write the value in quotes"),
        (b"a: 1\nb: " + b"[" * DEEPEST + b"]" * DEEPEST, 2, f"this is nested more than {DEEPEST} deep"),
        (b"a: 1\nb: " + b"[" * 60_000, 2, f"this is nested more than {DEEPEST} deep"),
        (b"a: &b 1", 1, "anchors and aliases (`&`, `*`) are not allowed; write the value out, or in quotes"),
        (BOMB.encode(), 1, "anchors and aliases (`&`, `*`) are not allowed; write the value out, or in quotes"),
        (b"a: *b", 1, "anchors and aliases (`&`, `*`) are not allowed; write the value out, or in quotes"),
        (b"#" * (LARGEST + 1), None, "is larger than 64 KiB"),
    ],
)
def test_what_cannot_be_taken_is_said_with_its_line(data: bytes, line: int | None, text: str) -> None:
    assert parse_file(data).tree == Problem(line=line, text=text)


def test_a_file_of_the_largest_size_is_taken() -> None:
    assert parse_file(b"#" * LARGEST).tree == EMPTY


@examine
@given(st.binary(max_size=80) | st.text(alphabet="abc:-&*!'\"[]{}#|>?%@\n\t 01,", max_size=80).map(str.encode))
def test_nothing_that_people_write_raises(data: bytes) -> None:
    found = parse_file(data)
    assert isinstance(found.tree, Tree | Problem)
    assert not isinstance(found.tree, Tree) or found.tree.values.keys() == found.tree.lines.keys()
