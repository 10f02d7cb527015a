"""YAML as plain keys and values with their lines: no tags, no anchors, no duplicates, and bounds on size and depth."""

from collections.abc import Callable, Iterable, Iterator

import yaml

from app.domain.config import Problem
from app.domain.config_check import FoundFile, Tree
from app.domain.text import one_line

LARGEST = 64 * 1024
DEEPEST = 20
EMPTY = "tag:yaml.org,2002:null"
NULL = "tag:yaml.org,2002:null"
BEGIN_NOTHING = tuple(f"found character '{char}'" for char in "@%`")
_PLAIN = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null")}
Compose = Callable[[str, type[yaml.SafeLoader]], Iterable[yaml.Node | None]]


class _Bad(Exception):
    """What cannot be taken, and its line."""

    def __init__(self, line: int | None, text: str) -> None:
        super().__init__(text)
        self.problem = Problem(line=line, text=text)


def parse_file(data: bytes) -> FoundFile:
    """Return the file's text with its keys, or with the first thing that keeps it from being read."""
    try:
        text = _decoded(data)
        return FoundFile(text, _tree(text))
    except _Bad as error:
        return FoundFile("", error.problem)


def parse_documents(data: bytes, example: str) -> list[Tree] | Problem:
    """Return the keys of each document of a file, or the first thing that keeps it from being read.

    `example` shows people a key with its value.
    """
    try:
        text = _decoded(data)
        return [_keys(root, example) for root in _composed(text, yaml.compose_all) if root and root.tag != EMPTY]
    except _Bad as error:
        return error.problem


def _decoded(data: bytes) -> str:
    if len(data) > LARGEST:
        raise _Bad(None, f"is larger than {LARGEST // 1024} KiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Bad(data.count(b"\n", 0, error.start) + 1, "this is not UTF-8 text") from None


def _tree(text: str) -> Tree:
    [root] = _composed(text, lambda text, loader: [yaml.compose(text, loader)])
    return Tree({}, {}) if root is None or root.tag == NULL else _keys(root, "trigger: orch")


def _composed(text: str, compose: Compose) -> list[yaml.Node | None]:
    try:
        _refuse_tricks(text)
        return list(compose(text, yaml.SafeLoader))
    except yaml.reader.ReaderError as error:
        before = text.count("\n", 0, error.position)
        raise _Bad(before + 1, f"the character U+{int(error.character):04X} is not allowed") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = one_line(", ".join(filter(None, (error.context, error.problem))))
        quotes = "; put what begins with it in quotes" if (error.problem or "").startswith(BEGIN_NOTHING) else ""
        raise _Bad(mark.line + 1 if mark else None, f"this is not YAML: {said}{quotes}") from None


def _keys(root: yaml.Node, example: str) -> Tree:
    if not isinstance(root, yaml.MappingNode):
        raise _Bad(_line(root), f"the file must have keys and values, such as `{example}`")
    return Tree(dict(_entries(root)), {key.value: _line(key) for key, _ in root.value})


def _refuse_tricks(text: str) -> None:
    """Look before anything is built: aliases would multiply, tags would choose types, depth would exhaust the stack."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        line = _line(event)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if getattr(event, "anchor", None):
            raise _Bad(line, "anchors and aliases (`&`, `*`) are not allowed; write the value out, or in quotes")
        if getattr(event, "tag", None):
            raise _Bad(line, "tags (`!`) are not allowed; write the value in quotes")
        if depth > DEEPEST:
            raise _Bad(line, f"this is nested more than {DEEPEST} deep")


def _entries(mapping: yaml.MappingNode) -> Iterator[tuple[str, object]]:
    seen: dict[str, int] = {}
    for key, value in mapping.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _Bad(_line(key), "a key must be one word")
        if key.value in seen:
            there = f"`{one_line(key.value, 60)}` is there twice, first in line {seen[key.value]}"
            raise _Bad(_line(key), f"{there}; take one out")
        seen[key.value] = _line(key)
        yield key.value, _value(value)


def _value(node: yaml.Node) -> object:
    match node:
        case yaml.MappingNode():
            return dict(_entries(node))
        case yaml.SequenceNode():
            return [_value(item) for item in node.value]
        case _ if node.tag not in _PLAIN:  # a date, for instance: nothing here wants one, so it is text
            return node.value
    try:
        return yaml.constructor.SafeConstructor().construct_object(node)
    except ValueError:
        raise _Bad(_line(node), "this number cannot be read") from None


def _line(place: yaml.Node | yaml.Event) -> int:
    assert place.start_mark is not None
    return int(place.start_mark.line) + 1
