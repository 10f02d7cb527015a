"""Whether an agent may make a tool call, by the rules of a profile."""

# ruff: noqa: PLC0415 - the rules are 2 MB that a runner without a profile that asks never needs

import json
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path, PurePosixPath

from app.domain.approvals import Answer, AskedCall
from app.domain.text import spell
from runner.agents.base import Asked
from runner.driving import Leave

UNGATED = frozenset({"headless-permissive", "trusted"})
"""Profiles that rule on no single call; told apart here without the rules themselves."""


def needs_gate(profile: str) -> bool:
    """Say whether each tool call is to be asked for."""
    return profile not in UNGATED


LONGEST = 1000
"""Characters of a call that are handed on for people."""


def leave_for(
    profile: str, asked: Asked, workspace: Path, answers: Iterable[Answer] = (), hide: Callable[[str], str] = str
) -> Leave:
    """Rule on a call that an agent asks leave for; people's answers count where the rule leaves it to them.

    `hide` takes secrets out. Raises UserError for a profile that there is not.
    """
    from app.domain.tools.judge import judge
    from app.domain.tools.profiles import find_profile
    from app.domain.tools.rules import RuleEffect
    from app.domain.tools.uses import ToolUse

    ruling = judge(find_profile(profile), ToolUse(asked.tool, asked.input), PurePosixPath(workspace))
    why = hide(f"{ruling.why} ({ruling.rule})")
    if ruling.effect is not RuleEffect.ASK:
        return Leave(ruling.effect is RuleEffect.ALLOW, why)
    call = name_call(asked, workspace, hide)
    for answer in answers:
        if answer.key == call.key:
            return Leave(answer.allowed, _said(answer))
    return Leave(None, why, call)


def _said(answer: Answer) -> str:
    if answer.allowed:
        return "a person allowed it"
    return f"a person refused it: {answer.reason}" if answer.reason else "a person refused it"


def name_call(asked: Asked, workspace: Path, hide: Callable[[str], str] = str) -> AskedCall:
    """Tell a call from every other, wherever the workspace is, and say it for people.

    What an agent says about a command, in new words each time, is no part of it.
    """
    from app.domain.tools.uses import ToolKind, kind_of

    aside = {"description"} if kind_of(asked.tool) is ToolKind.SHELL else set()
    given = {name: value for name, value in asked.input.items() if name not in aside}
    written = json.dumps([asked.tool, given], sort_keys=True, default=str)
    placed = written.replace(json.dumps(str(workspace))[1:-1], "\0")  # JSON has no such character of its own
    key = sha256(placed.encode()).hexdigest()[:32]  # too long for an agent to find two calls that have the same
    command = given.get("command")
    plain = command if len(given) == 1 and isinstance(command, str) else json.dumps(given, ensure_ascii=False)
    return AskedCall(key=key, text=spell(hide(f"{asked.tool}: {plain}"))[:LONGEST])
