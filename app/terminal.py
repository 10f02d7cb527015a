"""Text that others wrote, made so that a terminal shows it and does nothing else."""

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Return the text with every control character and change of direction written out."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
