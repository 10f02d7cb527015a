"""Whom to tell of what outside GitHub: the rules of ORCH_NOTIFY. An address holds secrets, so nothing repeats it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import unquote

from pydantic import BeforeValidator, SecretStr

from app.domain.notices import Kind, Notice

_SHAPE = "must be a list of rules `{to: URL, on: [WORD, ...]}`, or a mapping of names to rules"
_WORDS = ", ".join(Kind)
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{1,19})://\S+")
_NAME = re.compile(r"\w[\w .-]{0,39}")
_NO_SECRET = re.compile(r"\D{0,15}|.{0,7}|[\d.]+|([\w-]+\.)+[A-Za-z]{2,}")
"""Pieces of an address that are words, short, or the name of a host: hiding them would spoil the rest of the log."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Tell one address of some kinds of notices; `to` is a URL as the library apprise has them."""

    name: str
    to: SecretStr
    on: tuple[Kind, ...]

    def wants(self, notice: Notice) -> bool:
        """Say whether the notice is of a kind that was asked for."""
        return not set(notice.kinds).isdisjoint(self.on)

    def secrets(self) -> Iterator[str]:
        """Return what must never be logged: the address, its password, and what in it may be a token."""
        address = self.to.get_secret_value()
        yield address
        yield from re.findall(r"://[^/@]*:([^/@]+)@", address)
        pieces = re.split(r"[/:@?&=#,]+", address.partition("://")[2])
        yield from (form for piece in pieces if not _NO_SECRET.fullmatch(piece) for form in {piece, unquote(piece)})


def parse_rules(value: object) -> tuple[Rule, ...]:
    """Read the rules out of what was given, or out of its text as JSON or YAML.

    Raises ValueError for what cannot be right.
    """
    match _load(value) if isinstance(value, str) else value:
        case None:
            return ()
        case Mapping() as rules if "to" in rules:
            return (_rule("", 1, rules),)
        case Mapping() as rules:
            return tuple(_rule(_named(name), index, rule) for index, (name, rule) in enumerate(rules.items(), 1))
        case list() | tuple() as rules:
            return tuple(
                rule if isinstance(rule, Rule) else _rule("", index, rule) for index, rule in enumerate(rules, 1)
            )
        case _:
            raise ValueError(_SHAPE)


def _load(text: str) -> object:
    import yaml  # noqa: PLC0415 - 1 MB that nobody needs who has no rules

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ValueError("is neither JSON nor YAML") from None


def _named(name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{_SHAPE}; a name has at most 40 letters, digits, `_`, `.`, `-` and blanks")
    return name


def _rule(name: str, index: int, value: object) -> Rule:
    label = f"rule {name or index}"
    given = value if isinstance(value, Mapping) else {}
    fields = {"on" if key is True else key: item for key, item in given.items()}  # YAML 1.1 takes `on` for true
    if fields.keys() != {"to", "on"}:
        raise ValueError(f"{label} must be `{{to: URL, on: [WORD, ...]}}`")
    address = _ADDRESS.fullmatch(fields["to"]) if isinstance(fields["to"], str) else None
    if address is None:
        raise ValueError(f"{label}: `to` must be a URL as in slack://... or mailto://...")
    return Rule(name or f"{index} ({address[1].lower()})", SecretStr(address[0]), _kinds(label, fields["on"]))


def _kinds(label: str, value: object) -> tuple[Kind, ...]:
    words: Sequence[object] = value if isinstance(value, list) else [value]
    if not words or not all(isinstance(word, str) and word in list(Kind) for word in words):
        raise ValueError(f"{label}: `on` takes words out of {_WORDS}")
    return tuple(kind for kind in Kind if kind in words)


Rules = Annotated[tuple[Rule, ...], BeforeValidator(parse_rules)]
HOLDS_SECRETS: dict[str, Any] = {"secret": True}
"""Marks a setting as secret in which no `SecretStr` is seen from outside."""
