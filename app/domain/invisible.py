"""Characters that a reader does not see, or that change what he sees of others."""

import re

_CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_BIDI = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_BROKEN = r"\ud800-\udfff\ufff9-\ufffb"
_TAGS = r"\U000e0000-\U000e0fff"
_BLANKS = r"\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0"
_JOINS = r"\u200b-\u200d\u2060-\u2065\u206a-\u206f\ufe00-\ufe0f\ufeff\ufff0-\ufff8"
_NOTATION = r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"

MISLEADING = re.compile(f"[{_CONTROLS}{_BIDI}{_BROKEN}{_TAGS}]+")
"""What turns text around, smuggles text to machines, or is no text; of blanks tab, LF and CR are none of it."""
INVISIBLE = re.compile(f"[{_CONTROLS}\r{_BIDI}{_BROKEN}{_TAGS}{_BLANKS}{_JOINS}{_NOTATION}]+")
"""All that has no shape of its own, also what shapes others: an emoji's parts stay readable without."""
