"""Text that others wrote, made harmless before Orch repeats it on GitHub.

GitHub looks for mentions and closing keywords in what Markdown made of the text, so emphasis, escapes, entities and an
unbalanced backtick do not hide one. A word joiner, which nobody sees, breaks up what would count.
"""

import re

from app.domain.invisible import MISLEADING

_JOINER = "\u2060"
_UNTITLED = "untitled"
_BREAK_AFTER = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        r"<(?=!--)|--(?=>)",  # HTML comments, Orch's own markers included
        r"&(?=#|[A-Z][A-Z0-9]*;)",  # entities
        r"(?<![A-Z0-9])[@\uff20\ufe6b](?=[A-Z0-9])",  # mentions
        r"\[(?!\u2060)(?=[^\[\]\n]{0,40}\b(?:skip|no[ _-]?ci)\b[^\[\]\n]{0,40}\])|\bskip-checks(?=\s*:)|\*{3}(?=NO_CI)",
        r"(?<![\w.-])[\w.-]{1,100}/[\w.-]{1,100}#(?=\d)",  # references, which are shown where they point to
    )
)
_COMMAND = re.compile(r"^([^\S\n]*)(?=/[A-Z][\w-]*(?:[^\w/-]|$))", re.IGNORECASE | re.MULTILINE)
_CLOSING = re.compile(
    r"(?<![A-Z0-9])(close[sd]?|fix(?:e[sd])?|resolve[sd]?)(?!\u2060)((?:<[A-Z/][^<>]{0,200}>|[^A-Z\d])++)"
    r"(?=(?:(?<=[#\uff03])|[\w.-]{1,100}(?:/[\w.-]{1,100})?#)\d|gh-\d|https?://)",
    re.IGNORECASE,
)
_LINK = re.compile(
    r"(https?://)(?:www\.)?(?=github\.com/[\w.-]{1,100}/[\w.-]{1,100}/(?:issues|pull|discussions)/\d)", re.IGNORECASE
)
_TAG = re.compile(r"<(?=[A-Za-z/!?])|!(?=\[)")


def neutralise(text: str, limit: int = 4000, *, inside: bool = False) -> str:
    """Return text that mentions nobody, closes nothing, commands no bot and hides nothing; cut to `limit` characters.

    `inside` is for text that never begins a line, so that people can copy a command out of it. GitHub closes issues for
    keywords even behind a negation, so each keyword before a reference is broken up. It shows a reference where it
    points to as well, so another repository's is broken up, and a link goes through `redirect.github.com`, which GitHub
    runs for that purpose. What skips CI in a commit's message is broken up too, as a squashed commit gets the text of
    its pull request.
    """
    text = _cut(MISLEADING.sub("", text), limit)
    text = _CLOSING.sub(rf"\1{_JOINER}\2{_JOINER}", text)
    for counts in _BREAK_AFTER:
        text = counts.sub(rf"\g<0>{_JOINER}", text)
    text = _LINK.sub(r"\1redirect.", text)
    return _cut(text if inside else _COMMAND.sub(rf"\1{_JOINER}", text), limit)


def subject(text: str, limit: int = 200) -> str:
    """Return neutralised text on one line, for a commit's message or a pull request's title; it is never empty."""
    return neutralise(" ".join(MISLEADING.sub("", text).split()), limit) or _UNTITLED


def quote(text: str, limit: int = 4000) -> str:
    """Return neutralised text as a block quotation in which no tag counts, and no picture is fetched."""
    safe = _TAG.sub(rf"\g<0>{_JOINER}", neutralise(text, limit, inside=True))
    return "\n".join(f"> {line}" for line in safe.splitlines())


def one_line(text: str, limit: int = 200) -> str:
    """Return neutralised text without line breaks, and without tags and markup that would break a table.

    It is for the inside of a line: at its beginning a command in it would count.
    """
    flat = re.sub(r"[\s|`]+", " ", text[: 4 * limit]).strip()
    return neutralise(_TAG.sub(rf"\g<0>{_JOINER}", flat), limit, inside=True)


def sentence(text: str, limit: int = 200) -> str:
    """Return one line that something can follow: it ends as a sentence does."""
    line = one_line(text, limit)
    return line if line.endswith((".", "!", "?", "\N{HORIZONTAL ELLIPSIS}")) else f"{line}."


def spell(text: str) -> str:
    """Return text on one line with nothing in it that is not seen: line breaks and such as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def code_span(text: str) -> str:
    """Return text as inline code, spelled out and neutralised, that no backtick in it ends."""
    safe = neutralise(spell(text), limit=4 * len(text) + 100, inside=True)
    return f"`` {re.sub('`(?=`)', f'`{_JOINER}', safe)} ``"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
