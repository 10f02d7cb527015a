"""Tables in Markdown whose cells may hold what others wrote."""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from app.domain.text import one_line

_JOINER = "\u2060"
_MARKUP = re.compile(r"[\\*_~\[\]]")
_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=\bwww)(?=\.)", re.IGNORECASE)


def plain(text: str, limit: int = 100) -> str:
    """Return what others wrote as one line that shows as it was written: no emphasis, no link, no tag."""
    return _MARKUP.sub(r"\\\g<0>", _ADDRESS.sub(_JOINER, one_line(text, limit)))


def code(text: str, limit: int = 60) -> str:
    """Return a short name as inline code that does not break a table."""
    return f"`{one_line(text, limit)}`"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Render a table; cells are Markdown on one line each."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}", *lines])


def dollars(amount: Decimal | None) -> str:
    """Return an amount in US dollars, `unknown` if it is not known."""
    return "unknown" if amount is None else f"${amount:.2f}"
