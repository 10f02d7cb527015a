"""Rules on tool calls, and the profiles that they make up."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from app.domain.base import Value
from app.domain.errors import UserError

SHOWN = 6
"""Names of one condition that a ruling repeats; `orch policy show` has them all."""

Globs = tuple[Annotated[str, Field(max_length=200, pattern=r"\S")], ...]


class RuleEffect(StrEnum):
    """What becomes of a call, from the loosest to the strictest."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"

    @property
    def strictness(self) -> int:
        return tuple(RuleEffect).index(self)


class Rule(Value):
    """What becomes of the accesses that meet all its conditions; one that is empty is met by all.

    `tools` are kinds, or globs over the names that agents have. `commands` are the first words of a command without its
    leading options, as in `git push`; `options` are words of which it has one: `--long` (also abbreviated), `-x` (also
    among other letters), or any other glob over what is written. `only` are globs of which each further word fits one.
    `paths` begin at the workspace, those outside with `/` or `~`; `$` is a path known only when it is used. `variables`
    are globs over names, or over `NAME=value`.

    To allow, a rule wants all paths and certainty; to ask or deny, one that may fit is enough.
    """

    effect: RuleEffect
    tools: Globs = ()
    commands: Globs = ()
    options: Globs = ()
    only: Globs | None = None
    paths: Globs = ()
    variables: Globs = ()
    why: str = Field(default="", max_length=200, pattern=r"^[^\r\n]*$")

    @field_validator("paths")
    @classmethod
    def _can_be_met(cls, paths: Globs) -> Globs:
        for glob in paths:
            steps = glob.split("/")
            if ".." in steps or "." in steps[1:] or (glob != "." and steps[0] == ".") or "" in steps[1:]:
                raise ValueError(f"no path is spelled like `{glob}`: leave out `.`, `..` and double or last slashes")
            if glob.count("**") > 3:
                raise ValueError(f"`{glob}` holds more than three `**`")
        return paths

    @model_validator(mode="after")
    def _fits_together(self) -> "Rule":
        if self.only is not None and not self.commands:
            raise ValueError("`only` says what may follow `commands`: name those too")
        if self.variables and (self.commands or self.options or self.paths):
            raise ValueError("`variables` stands in a rule of its own")
        if self.effect is not RuleEffect.ALLOW and self.only is not None:
            raise ValueError("`only` makes sense where a rule allows")
        return self

    def __str__(self) -> str:
        return self.text(SHOWN)

    def text(self, most: int | None = None) -> str:
        """Write the rule for people, with at most so many names for each condition."""
        said = [
            self.effect.value,
            _list("", self.tools, most) or "anything",
            _list("", self.commands, most),
            _list("with ", self.options, most),
            "alone" if self.only == () else _list("followed only by ", self.only or (), most),
            _list("on ", self.paths, most),
            _list("setting ", self.variables, most),
        ]
        line = " ".join(part for part in said if part)
        return f"{line}: {self.why}" if self.why else line


class Profile(Value):
    """Rules in order, of which the first that fits counts, and those added to tighten, of which the strictest counts.

    `unreadable` is what becomes of a call that cannot be understood. An agent that cannot ask before each call must be
    refused by a profile with `needs_gate`.
    """

    name: str
    about: str
    rules: tuple[Rule, ...]
    added: tuple[Rule, ...] = ()
    unreadable: RuleEffect = RuleEffect.DENY
    needs_gate: bool


def tighten(operator: Profile, rules: Sequence[Rule]) -> Profile:
    """Add a repository's rules, which can only ask or deny; raises UserError at one that allows.

    They hold beside the operator's, not before them, so that an `ask` does not stand in for a `deny`. Nothing but a
    gate can hold to them: the profile needs one from then on.
    """
    for number, rule in enumerate(rules, 1):
        if rule.effect is RuleEffect.ALLOW:
            raise UserError(f"rule {number} (`{rule}`) allows, and a repository's rules can only ask or deny.")
    if not rules:
        return operator
    return operator.model_copy(update={"added": (*operator.added, *rules), "needs_gate": True})


def _list(before: str, names: Sequence[str], most: int | None) -> str:
    shown, more = names[:most], len(names) - len(names[:most])
    return f"{before}{', '.join(shown)}{f' and {more} more' if more else ''}" if names else ""
