"""Whether an agent may make a tool call, by the rules of a profile."""

# ruff: noqa: PLC0415 - the rules are 2 MB that a runner without a profile that asks never needs

from pathlib import Path, PurePosixPath

from runner.agents.base import Asked
from runner.driving import Leave

UNGATED = frozenset({"headless-permissive", "trusted"})
"""Profiles that rule on no single call; told apart here without the rules themselves."""


def needs_gate(profile: str) -> bool:
    """Say whether each tool call is to be asked for."""
    return profile not in UNGATED


def leave_for(profile: str, asked: Asked, workspace: Path) -> Leave:
    """Rule on a call that an agent asks leave for. Raises UserError for a profile that there is not."""
    from app.domain.tools.judge import judge
    from app.domain.tools.profiles import find_profile
    from app.domain.tools.rules import RuleEffect
    from app.domain.tools.uses import ToolUse

    ruling = judge(find_profile(profile), ToolUse(asked.tool, asked.input), PurePosixPath(workspace))
    granted = {RuleEffect.ALLOW: True, RuleEffect.ASK: None, RuleEffect.DENY: False}[ruling.effect]
    return Leave(granted, f"{ruling.why} ({ruling.rule})")
