from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.agents.aider import PROMPT, AiderAgent
from runner.agents.base import Agent, Ended, EndStatus, Retry, Started, Text, UsageReport
from runner.supervision import Stream
from tests.unit.draw import examine
from tests.unit.exec_agents import WORK, last_word, of, play
from tests.unit.mutations import write_down

# As aider 0.86.2 printed it.
ANSWERED = [
    b"I create the file.",
    b"",
    b"hello.txt",
    b"Tokens: 1.0k sent, 50 received.",
    b"",
    b"Applied edit to hello.txt",
]
UNAUTHORIZED = [
    b"litellm.AuthenticationError: AuthenticationError: OpenAIException - scripted 401",
    b"The API provider is not able to authenticate you. Check your API key.",
]
LIMITED = [
    b"litellm.RateLimitError: RateLimitError: OpenAIException - scripted 429",
    b"The API provider has rate limited you. Try again later or check your quotas.",
    b"Retrying in 0.5 seconds...",
]


# What is started


def test_the_prompt_goes_through_a_file_and_is_no_command() -> None:
    agent: Agent = AiderAgent()
    made = agent.command(replace(WORK, prompt=replace(WORK.prompt, text="!reboot")))
    assert made.files == {PROMPT: b"Task: !reboot"}
    assert made.argv[1:3] == ("--message-file", "/home/.aider/prompt.md")


@pytest.mark.parametrize(
    "flag", ["--no-auto-lint", "--no-auto-test", "--no-notifications", "--no-suggest-shell-commands"]
)
def test_it_runs_none_of_the_commands_that_the_repository_names(flag: str) -> None:
    assert flag in AiderAgent().command(WORK).argv


def test_it_leaves_no_trace_of_its_own_in_the_worktree() -> None:
    argv = AiderAgent().command(WORK).argv
    assert {"--no-gitignore", "/home/.aider/chat.md", "/home/.aider/input"} <= set(argv)
    assert argv[argv.index("--map-tokens") + 1] == "0"


def test_the_address_of_the_model_is_an_argument() -> None:
    made = AiderAgent().command(WORK)
    assert made.argv[-4:] == ("--model", "openai/some-model", "--openai-api-base", "http://127.0.0.1:1/v1")
    assert made.env["OPENAI_API_KEY"] == "token"


def test_without_an_endpoint_the_model_is_as_aider_names_it() -> None:
    assert AiderAgent().command(replace(WORK, endpoint=None)).argv[-2:] == ("--model", "some-model")


# How it ends


def test_an_answer_is_known_by_the_line_that_follows_it() -> None:
    assert play(AiderAgent(), ANSWERED) == [
        Started(None, "some-model"),
        *(Text(line.decode()) for line in ANSWERED if line),
        UsageReport(None, None),
        Ended(EndStatus.COMPLETED, "completed"),
    ]


def test_a_401_with_exit_code_0_is_no_success() -> None:
    assert last_word(play(AiderAgent(), UNAUTHORIZED)) == Ended(
        EndStatus.FAILED, "AuthenticationError: OpenAIException - scripted 401"
    )


def test_an_error_after_an_answer_counts() -> None:
    ended = last_word(play(AiderAgent(), [*ANSWERED, *UNAUTHORIZED]))
    assert ended is not None
    assert ended.status is EndStatus.FAILED


def test_a_retry_that_led_to_an_answer_is_forgotten() -> None:
    events = play(AiderAgent(), [*LIMITED, *ANSWERED])
    assert of(Retry, events) == [Retry(429, 0.5)]
    assert last_word(events) == Ended(EndStatus.COMPLETED, "completed")


def test_a_limit_of_the_provider_is_told_apart() -> None:
    assert last_word(play(AiderAgent(), LIMITED)) == Ended(
        EndStatus.PROVIDER_LIMITED, "RateLimitError: OpenAIException - scripted 429"
    )


def test_no_answer_is_no_success() -> None:
    assert last_word(play(AiderAgent(), [b"Aider v0.86.2"])) == Ended(
        EndStatus.FAILED, "it ended with exit code 0 and no answer of its model"
    )


@examine
@given(
    line=st.binary(max_size=80) | st.sampled_from([*ANSWERED, *LIMITED]),
    stream=st.sampled_from(Stream),
    code=st.sampled_from([0, 1, None]),
)
def test_nothing_that_it_prints_does_harm(line: bytes, stream: Stream, code: int | None) -> None:
    agent = AiderAgent()
    write_down(agent.parse(line, stream))
    write_down(agent.close(code))
