"""Globs over paths and words, and whether text that a shell has yet to expand may fit one.

`*` stands for any characters, in a path for those of one component; `**` for any components, so that `a/**` is `a` and
all below it. There is nothing else: `?` and `[` stand for themselves.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

STAR, ONE, ANY = "\ue000", "\ue001", "\ue002"
"""What stands in a word for a shell's own `*` and `?`, and for what is known only when it runs."""
MARKS = frozenset((STAR, ONE, ANY))
MARKED = 500
"""The longest text with marks that is looked at in full."""

_ALL, _MANY, _SINGLE, _FIRST, _OPTION = "all", "many", "single", "first", "option"
_REPEATED = frozenset((_ALL, _MANY))


_Tokens = tuple[str, ...]
"""Characters and classes of them; the two that follow an `_OPTION` may be left out together."""


def is_marked(text: str) -> bool:
    """Say whether a shell would make something else of the word."""
    return not MARKS.isdisjoint(text)


def path_fits(glob: str, path: str) -> bool:
    """Say whether the glob covers the path, whatever a shell makes of that; capitals do not count."""
    return _regex(glob, True).fullmatch(path) is not None


def path_may_fit(glob: str, path: str) -> bool:
    """Say whether a shell may make something of the path that the glob covers."""
    return _may_fit(glob, path, True)


def word_fits(glob: str, word: str) -> bool:
    """Say whether the glob covers the word, whatever a shell makes of that."""
    return _regex(glob, False).fullmatch(word) is not None


def word_may_fit(glob: str, word: str) -> bool:
    """Say whether a shell may make something of the word that the glob covers."""
    return _may_fit(glob, word, False)


def _may_fit(glob: str, text: str, is_path: bool) -> bool:
    if not is_marked(text):
        return _regex(glob, is_path).fullmatch(text) is not None
    if len(text) > MARKED:
        return True
    tokens = _glob_tokens(glob.casefold() if is_path else glob, is_path)
    return _overlap(tokens, _text_tokens(text.casefold() if is_path else text))


@lru_cache(maxsize=2048)
def _glob_tokens(glob: str, is_path: bool) -> _Tokens:
    pieces = re.findall(r"\*+|[^*]", glob, re.DOTALL)
    items = [_token(piece, is_path) for piece in pieces]
    return tuple(_with_options(items)) if is_path else tuple(items)


def _token(piece: str, is_path: bool) -> str:
    if piece[0] != "*":
        return piece
    return _MANY if is_path and piece == "*" else _ALL


def _with_options(items: Sequence[str]) -> Iterator[str]:
    """Let `**/` at the beginning of a component, and `/**` at the end, be left out."""
    for index, item in enumerate(items):
        pair = tuple(items[index : index + 2])
        starts = index == 0 or items[index - 1] == "/"
        ends = index > 0 and index + 2 == len(items)
        if (pair == (_ALL, "/") and starts) or (pair == ("/", _ALL) and ends):
            yield _OPTION
        yield item


@lru_cache(maxsize=2048)
def _regex(glob: str, is_path: bool) -> re.Pattern[str]:
    written = {_ALL: ".*", _MANY: "[^/]*", _OPTION: "(?:"}
    text, items = "", _glob_tokens(glob, is_path)
    for index, item in enumerate(items):
        text += written.get(item, re.escape(item)) + ")?" * (index > 1 and items[index - 2] == _OPTION)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if is_path else re.NOFLAG))


def _text_tokens(text: str) -> _Tokens:
    """Read a word as a shell does: its `*` and `?` leave out names that begin with a dot."""
    items: list[str] = []
    text = re.sub(f"{STAR}+", STAR, text)
    for index, character in enumerate(text):
        first = index == 0 or text[index - 1] == "/"
        if character == STAR and first:
            items += [_OPTION, _FIRST, _MANY]
        elif character == ONE:
            items.append(_FIRST if first else _SINGLE)
        else:
            items.append({STAR: _MANY, ANY: _ALL}.get(character, character))
    return tuple(items)


def _overlap(one: _Tokens, other: _Tokens) -> bool:
    """Say whether some text fits both."""
    todo, seen = [(0, 0)], set()
    while todo:
        state = todo.pop()
        if state == (len(one), len(other)):
            return True
        if state not in seen:
            seen.add(state)
            todo += _moves(one, other, *state)
    return False


def _moves(one: _Tokens, other: _Tokens, i: int, j: int) -> Iterator[tuple[int, int]]:
    left, right = "".join(one[i : i + 1]), "".join(other[j : j + 1])
    if left == _OPTION:
        yield from ((i + 1, j), (i + 3, j))
    elif right == _OPTION:
        yield from ((i, j + 1), (i, j + 3))
    else:
        if left in _REPEATED:
            yield i + 1, j
        if right in _REPEATED:
            yield i, j + 1
        if left and right and _meet(left, right):
            yield i + (left not in _REPEATED), j + (right not in _REPEATED)


def _meet(left: str, right: str) -> bool:
    """Say whether there is a character that both take."""
    if len(left) == 1:
        return left == right if len(right) == 1 else _takes(right, left)
    return _takes(left, right) if len(right) == 1 else True


def _takes(kind: str, character: str) -> bool:
    if kind == _ALL:
        return True
    return character not in ("/." if kind == _FIRST else "/")
