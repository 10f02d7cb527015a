"""What a profile makes of one tool call: for `orch policy`."""

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from app.domain.errors import UserError
from app.domain.tools.judge import Ruling, judge
from app.domain.tools.profiles import find_profile
from app.domain.tools.uses import ToolKind, ToolUse, kind_of

_FIELDS = {ToolKind.SHELL: "command", ToolKind.FETCH: "url"}


@dataclass(frozen=True, slots=True)
class NumberedRule:
    """A rule of a profile, in the order in which they count."""

    number: int
    effect: str
    rule: str


@dataclass(frozen=True, slots=True)
class ProfileDetail:
    """A profile as `orch policy show` has it."""

    profile: str
    about: str
    needs_gate: bool
    unreadable: str
    rules: tuple[NumberedRule, ...]


def check_call(profile: str, tool: str, given: str, workspace: Path) -> Ruling:
    """Rule on a call; raises UserError for a profile that is not there, or input that looks like JSON and is none."""
    return judge(find_profile(profile), ToolUse(tool, _input(tool, given)), PurePosixPath(workspace.absolute()))


def _input(tool: str, given: str) -> dict[str, Any]:
    """Read JSON, or plain text as the command, path or address."""
    try:
        read = json.loads(given)
    except (ValueError, RecursionError) as error:
        if given.lstrip().startswith('{"'):
            raise UserError(f"the input looks like JSON and is none: {error}") from error
        read = None
    return read if isinstance(read, dict) else {_FIELDS.get(kind_of(tool) or ToolKind.READ, "path"): given}


def profile_detail(profile: str) -> ProfileDetail:
    """Return all of a profile; raises UserError if there is none of that name."""
    found = find_profile(profile)
    rules = tuple(NumberedRule(number, rule.effect.value, rule.text()) for number, rule in enumerate(found.rules, 1))
    return ProfileDetail(found.name, found.about, found.needs_gate, found.unreadable.value, rules)
