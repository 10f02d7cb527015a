"""Text that others wrote, made harmless before Orch repeats it on GitHub.

GitHub looks for mentions and closing keywords in what Markdown made of the text, so emphasis, escapes, entities and an
unbalanced backtick do not hide one. A word joiner, which nobody sees, breaks up what would count.
"""

import re

_JOINER = "\u2060"
_MENTION = re.compile(r"(?<![A-Za-z0-9])@(?=[A-Za-z0-9])")
_CLOSING = re.compile(
    r"(?<![A-Za-z0-9])(close[sd]?|fix(?:e[sd])?|resolve[sd]?)(?!\u2060)([^A-Za-z0-9]++)"
    r"(?=(?:(?<=#)|[\w.-]{1,100}/[\w.-]{1,100}#)[0-9]|gh-[0-9]|https?://)",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?=#|[A-Za-z][A-Za-z0-9]*;)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def neutralise(text: str, limit: int = 4000) -> str:
    """Return text that mentions nobody, closes nothing and holds no hidden comment; cut to `limit` characters.

    GitHub closes issues for keywords even behind a negation, so each keyword before a reference is broken up.
    """
    text = _cut(text, limit).replace("<!--", f"<{_JOINER}!--").replace("-->", f"--{_JOINER}>")
    text = _ENTITY.sub(f"&{_JOINER}", text)
    text = _MENTION.sub(f"@{_JOINER}", text)
    return _cut(_CLOSING.sub(rf"\1{_JOINER}\2{_JOINER}", text), limit)


def quote(text: str, limit: int = 4000) -> str:
    """Return neutralised text as a block quotation in which no tag counts."""
    return "\n".join(f"> {line}" for line in _TAG.sub(f"<{_JOINER}", neutralise(text, limit)).splitlines())


def one_line(text: str, limit: int = 200) -> str:
    """Return neutralised text without line breaks, and without tags and markup that would break a table."""
    flat = re.sub(r"[\s|`]+", " ", text[: 4 * limit]).strip()
    return neutralise(_TAG.sub(f"<{_JOINER}", flat), limit)


def sentence(text: str, limit: int = 200) -> str:
    """Return one line that something can follow: it ends as a sentence does."""
    line = one_line(text, limit)
    return line if line.endswith((".", "!", "?", "\N{HORIZONTAL ELLIPSIS}")) else f"{line}."


def spell(text: str) -> str:
    """Return text on one line with nothing in it that is not seen: line breaks and such as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def code_span(text: str) -> str:
    """Return text as inline code, spelled out and neutralised, that no backtick in it ends."""
    safe = neutralise(spell(text), limit=4 * len(text) + 100)
    return f"`` {re.sub('`(?=`)', f'`{_JOINER}', safe)} ``"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
