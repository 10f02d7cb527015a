"""Text that others wrote, made harmless before Orch repeats it on GitHub."""

import re

_MENTION = re.compile(r"(?<![\w`/])@(?=[A-Za-z0-9])")
_CLOSING = re.compile(
    r"\b(close[sd]?|fix(?:e[sd])?|resolve[sd]?)(\s*:?\s+)(?=(?:[\w.-]+/[\w.-]+)?#\d|https?://)", re.IGNORECASE
)
_WORD_JOINER = "\u2060"


def neutralise(text: str, limit: int = 4000) -> str:
    """Return text that mentions nobody, closes nothing and holds no hidden comment; cut to `limit` characters.

    GitHub closes issues for keywords even behind a negation, so each keyword before a reference is broken up.
    """
    text = text.replace("<!--", "&lt;!--").replace("-->", "--&gt;")
    text = _MENTION.sub(f"@{_WORD_JOINER}", text)
    text = _CLOSING.sub(lambda found: f"{found[1]}{_WORD_JOINER}{found[2]}{_WORD_JOINER}", text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def quote(text: str, limit: int = 4000) -> str:
    """Return neutralised text as a block quotation."""
    return "\n".join(f"> {line}" for line in neutralise(text, limit).splitlines())


def one_line(text: str, limit: int = 200) -> str:
    """Return neutralised text without line breaks and markup that would break a table."""
    flat = re.sub(r"[\s|`]+", " ", neutralise(text, 4 * limit)).strip()
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
