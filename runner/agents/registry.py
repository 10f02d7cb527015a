"""Every adapter by its name, listed by hand.

Each is imported where it is used: a runner has a few of them, and their memory is wanted for agents.
"""

# ruff: noqa: PLC0415 - see above

from collections.abc import Callable, Mapping

from app.settings import AgentOptions
from runner.agents.base import Agent, Wire

Make = Callable[[str, AgentOptions], Agent]
"""Makes an adapter for one run, of the program at a path and how it is set up."""


def _claude(program: str, options: AgentOptions) -> Agent:
    from runner.agents.claude import ClaudeAgent

    return ClaudeAgent(program)


def _codex(program: str, options: AgentOptions) -> Agent:
    from runner.agents.codex import CodexAgent

    return CodexAgent(program)


def _opencode(program: str, options: AgentOptions) -> Agent:
    from runner.agents.opencode import OpencodeAgent

    return OpencodeAgent(program)


def _gemini(program: str, options: AgentOptions) -> Agent:
    from runner.agents.gemini import GeminiAgent

    return GeminiAgent(program)


def _qwen(program: str, options: AgentOptions) -> Agent:
    from runner.agents.qwen import QwenAgent

    return QwenAgent(program)


def _kimi(program: str, options: AgentOptions) -> Agent:
    from runner.agents.kimi import KimiAgent

    return KimiAgent(program)


def _aider(program: str, options: AgentOptions) -> Agent:
    from runner.agents.aider import AiderAgent

    return AiderAgent(program)


def _mini(program: str, options: AgentOptions) -> Agent:
    from runner.agents.mini import MiniAgent

    return MiniAgent(Wire(options.wire or Wire.OPENAI_CHAT))


def _command(program: str, options: AgentOptions) -> Agent:
    from runner.agents.command import CommandAgent

    return CommandAgent(options.argv)


def _script(program: str, options: AgentOptions) -> Agent:
    from runner.agents.script import ScriptAgent

    return ScriptAgent()


ADAPTERS: Mapping[str, Make] = {
    "claude": _claude,
    "codex": _codex,
    "opencode": _opencode,
    "gemini": _gemini,
    "qwen": _qwen,
    "kimi": _kimi,
    "aider": _aider,
    "mini": _mini,
    "command": _command,
    "script": _script,
}
