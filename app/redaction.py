"""Take secrets out of what is written down: logs, errors, listings."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

HIDDEN = "[redacted]"
SHORTEST = 4
"""Characters of a configured secret that is looked for; a shorter one would be found everywhere."""

# Every alternative begins with letters of its own, so that a text without secrets is passed over quickly.
_PATTERNS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    r"gh[opusr]_[A-Za-z0-9][A-Za-z0-9._-]{9,}",  # a stateless installation token holds a JWT: dots and dashes
    r"github_pat_\w{10,}",
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",
    r"(?:sk|rk|pk)-(?<![A-Za-z0-9]..-)[A-Za-z0-9_-]{16,}",  # not the end of a word, as in `task-...`
    r"(?:AIza|gsk_|hf_|xai-|pplx-|glpat-|npm_|ya29\.|xox[abeprs]-)[\w-]{16,}",
    r"(?:AKIA|ASIA)[A-Z0-9]{16}",
    r"(?<=://)[^\s/@'\"<>]+@",
)
_HEADER = r"(?P<header>[Aa](?i:uthorization)['\"]?\s*[:=]\s*b?['\"]?(?:[A-Za-z]+ +)?)[^\s'\",;]+"
_QUERY = r"(?P<query>[?&](?:access_token|client_secret|token|secret|password|api_key|key)=)[^\s&'\"]+"
_SECRET = re.compile("|".join([*_PATTERNS, _HEADER, _QUERY]), re.DOTALL)

# What none of these goes without, by a character in it that other text seldom has: looking for it alone is ten times as
# fast, and all that most text needs.
_LONG = r"[\w-]{16}"
_SIGNS = {
    "V": r"(?<=PRIV)ATE KEY-----",
    "_": rf"(?:(?<=gh[opusr]_)|(?<=github_pat_))[\w.-]{{10}}|(?:(?<=gsk_)|(?<=hf_)|(?<=npm_)){_LONG}",
    "-": rf"(?:(?<=[srp]k-)|(?<=xai-)|(?<=pplx-)|(?<=glpat-)|(?<=xox[abeprs]-)){_LONG}",
    "J": r"(?<=eyJ)[\w-]{8}",
    "I": rf"(?<=AI)za{_LONG}|(?<=A[KS]I)A[A-Z0-9]{{16}}",
    "9": rf"(?<=ya29)\.{_LONG}",
    "z": r"(?<=(?i:uthoriz))(?i:ation)",
    "Z": r"(?<=(?i:uthoriz))(?i:ation)",
    "=": r"(?:(?<=token=)|(?<=secret=)|(?<=password=)|(?<=[?&_]key=))[^\s&'\"]",
}
_URL = re.compile(r"://[^\s/@'\"<>]+@")
_RARE = "QZX+JKVWYUHGBFjqzxk"
_NAME = re.compile(r"(?:^|_)(?:token|secret|password|authorization|api_key|private_key|credential)s?$", re.IGNORECASE)


class Redaction:
    """Knows the forms of secrets, and the configured ones by their text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._literals = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
        self._sign = _sign_of(self._literals)

    def suspects(self, text: str) -> bool:
        """Say whether there may be a secret in the text: quickly, and never wrongly no."""
        return bool(self._sign.search(text) or _URL.search(text))

    def text(self, text: str) -> str:
        """Return the text without secrets."""
        if not self.suspects(text):
            return text
        for literal in self._literals:
            if literal in text:
                text = text.replace(literal, HIDDEN)
        return _SECRET.sub(_hide, text)

    def value(self, value: Any) -> Any:
        """Return the value without secrets, inside lists and mappings too; what is not plain data becomes its repr."""
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self.text(value)
            case Mapping():
                return {self.text(str(name)): self.named(str(name), item) for name, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(item) for item in value]
            case _:
                return self.text(repr(value))

    def named(self, name: str, value: Any) -> Any:
        """Return the value of that name without secrets: some names say that all of it is one."""
        if _NAME.search(name) and value and not isinstance(value, bool | int | float):
            return HIDDEN
        return self.value(value)


def _hide(found: re.Match[str]) -> str:
    kept = found["header"] or found["query"] or ""
    return f"{kept}{HIDDEN}{'@' if found[0].endswith('@') and not kept else ''}"


def _sign_of(literals: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern for what a text must have in it to hold one of the literals or a secret's form."""
    signs = {first: [rest] for first, rest in _SIGNS.items()}
    for literal in literals:
        start = min(range(len(literal) - SHORTEST + 1), key=lambda at: _frequency(literal[at]))
        signs.setdefault(literal[start], []).append(re.escape(literal[start + 1 :]))
    return re.compile("|".join(f"{re.escape(first)}(?:{'|'.join(rest)})" for first, rest in signs.items()))


def _frequency(character: str) -> int:
    found = _RARE.find(character)
    return len(_RARE) if found < 0 else found


def _forms(secret: str) -> Iterable[str]:
    """Name the ways in which a secret may stand in a text: as it is, escaped, or one line of many."""
    for part in {secret, secret.strip(), *secret.split("\n")}:
        if len(part) >= SHORTEST and not part.startswith("-----"):
            escaped = part.replace("\\", "\\\\").replace("'", "\\'")
            yield from (part, escaped, repr(part)[1:-1], json.dumps(part)[1:-1])
