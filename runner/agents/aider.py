"""The `aider` agent: aider with one message, which prints nothing but text.

Measured with 0.86.2.
"""

import re
from collections.abc import Iterable, Iterator

from runner.agents.base import (
    AgentCommand,
    AgentEvent,
    AsksNobody,
    Assignment,
    Ended,
    EndStatus,
    Retry,
    Started,
    Text,
    Traits,
    Unknown,
    UsageReport,
    Wire,
    base_environment,
)
from runner.agents.telling import failure, plain_line, plain_prompt
from runner.supervision import Stream

FOLDER = ".aider"
PROMPT = f"{FOLDER}/prompt.md"
_ALONE = (
    *("--yes-always", "--no-pretty", "--no-stream", "--no-fancy-input", "--no-show-model-warnings"),
    *("--no-analytics", "--no-check-update", "--no-show-release-notes", "--edit-format", "whole"),
    *("--no-auto-commits", "--no-dirty-commits", "--no-detect-urls"),
)
# What it keeps in the worktree would look like changes that it made.
_NO_TRACES = ("--no-gitignore", "--map-tokens", "0", "--llm-history-file", "/dev/null")
# Commands that .aider.conf.yml of the repository may name.
_NO_COMMANDS = (
    *("--no-auto-lint", "--no-auto-test", "--no-suggest-shell-commands", "--no-notifications"),
    *("--load", "/dev/null"),
)
_ERROR = re.compile(r"^litellm\.(?P<kind>\w+): (?P<words>.*)")
_ANSWERED = re.compile(r"^Tokens: \S+ sent")
_RETRYING = re.compile(r"^Retrying in (?P<seconds>\d+(\.\d+)?) seconds")
_LIMITED = ("RateLimitError", "ServiceUnavailableError", "BudgetExceededError")


class AiderAgent(AsksNobody):
    """Run aider; `program` is its name on PATH or its path."""

    traits = Traits(
        name="aider",
        program="aider",
        wire=Wire.OPENAI_CHAT,
        key="OPENAI_API_KEY",
        url="https://api.openai.com/v1",
        writes=(FOLDER,),
        lacks=(
            "It has no default model: name one.",
            "It tells its tokens in round figures only, which Orch does not count.",
            "It runs no commands and gets no map of the repository: name the files in the issue.",
            "It reads .aider.conf.yml and .env of the repository, though none of the commands in them.",
        ),
    )

    def __init__(self, program: str = "aider") -> None:
        self._program = program
        self._model: str | None = None
        self._begun = False
        self._answered = False
        self._error: tuple[str, str] | None = None
        self._stderr = ""

    def command(self, work: Assignment) -> AgentCommand:
        self._model = work.model
        return AgentCommand(
            argv=(
                *(self._program, "--message-file", str(work.home / PROMPT), *_ALONE, *_NO_TRACES, *_NO_COMMANDS),
                *("--chat-history-file", str(work.home / FOLDER / "chat.md")),
                *("--input-history-file", str(work.home / FOLDER / "input")),
                *_model(work),
            ),
            env=_environment(work),
            files={PROMPT: plain_prompt(work.prompt.text).encode("utf-8", "replace")},
        )

    def parse(self, line: bytes, stream: Stream) -> Iterable[AgentEvent]:
        said = plain_line(line)
        if stream is Stream.STDERR:
            self._stderr = said or self._stderr
            return (Unknown("stderr"),)
        return tuple(self._events(said, line))

    def close(self, code: int | None) -> Iterable[AgentEvent]:
        yield UsageReport(None, None)
        if code is not None:
            yield self._ending(code)

    def _events(self, said: str, line: bytes) -> Iterator[AgentEvent]:
        if not self._begun:
            self._begun = True
            yield Started(None, self._model)
        if found := _RETRYING.match(said):
            yield Retry(429 if self._error and self._error[0] == "RateLimitError" else None, float(found["seconds"]))
        elif found := _ERROR.match(said):
            self._error, self._answered = (found["kind"], found["words"]), False
        elif _ANSWERED.match(said):
            self._error, self._answered = None, True
        if said:
            yield Text(line.decode("utf-8", "replace"))

    def _ending(self, code: int) -> Ended:
        """Judge by the last of an error and the line that follows each answer: the exit code of a 401 is 0."""
        if self._error:
            kind, words = self._error
            return Ended(EndStatus.PROVIDER_LIMITED if kind in _LIMITED else failure(words), words or kind)
        if code or not self._answered:
            return Ended(EndStatus.FAILED, self._stderr or f"it ended with exit code {code} and no answer of its model")
        return Ended(EndStatus.COMPLETED, "completed")


def _environment(work: Assignment) -> dict[str, str]:
    env = base_environment(work.home, work.tmp)
    # Else a library in it fetches the prices of all models at each start.
    return (
        env
        | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        | ({"OPENAI_API_KEY": work.endpoint.key} if work.endpoint else {})
    )


def _model(work: Assignment) -> tuple[str, ...]:
    """Choose the model; the address is an argument because `.env` of the repository beats the environment."""
    if work.endpoint:
        return ("--model", f"openai/{work.model or 'default'}", "--openai-api-base", work.endpoint.url)
    return ("--model", work.model) if work.model else ()
