"""Every adapter by its name, listed by hand."""

from collections.abc import Callable, Mapping

from app.settings import AgentOptions
from runner.agents.aider import AiderAgent
from runner.agents.base import Agent, Wire
from runner.agents.claude import ClaudeAgent
from runner.agents.codex import CodexAgent
from runner.agents.command import CommandAgent
from runner.agents.gemini import GeminiAgent
from runner.agents.kimi import KimiAgent
from runner.agents.mini import MiniAgent
from runner.agents.opencode import OpencodeAgent
from runner.agents.qwen import QwenAgent
from runner.agents.script import ScriptAgent

Make = Callable[[str, AgentOptions], Agent]
"""Makes an adapter for one run, of the program at a path and how it is set up."""

ADAPTERS: Mapping[str, Make] = {
    "claude": lambda program, options: ClaudeAgent(program),
    "codex": lambda program, options: CodexAgent(program),
    "opencode": lambda program, options: OpencodeAgent(program),
    "gemini": lambda program, options: GeminiAgent(program),
    "qwen": lambda program, options: QwenAgent(program),
    "kimi": lambda program, options: KimiAgent(program),
    "aider": lambda program, options: AiderAgent(program),
    "mini": lambda program, options: MiniAgent(Wire(options.wire or Wire.OPENAI_CHAT)),
    "command": lambda program, options: CommandAgent(options.argv),
    "script": lambda program, options: ScriptAgent(),
}
