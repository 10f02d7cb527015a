from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.agents.base import Agent, Ended, EndStatus, Text, Unknown, UsageReport
from runner.agents.command import PROMPT_FILE, CommandAgent
from runner.supervision import Stream
from tests.unit.draw import examine
from tests.unit.exec_agents import WORK, last_word, play
from tests.unit.mutations import write_down


def argv(*template: str) -> tuple[str, ...]:
    return CommandAgent(template).command(WORK).argv


def test_placeholders_are_filled_in() -> None:
    assert argv("fix", "{prompt}", "-m={model}", "{workspace}/in/{workspace}") == (
        *("fix", "Fix it.\nPlease.", "-m=some-model", "/room/in//room"),
    )


def test_braces_of_the_prompt_are_no_placeholders() -> None:
    work = replace(WORK, prompt=replace(WORK.prompt, text="use {model} and {x}"))
    assert CommandAgent(["fix", "{prompt}"]).command(work).argv == ("fix", "use {model} and {x}")


def test_doubled_braces_are_braces() -> None:
    assert argv("jq", "{{a: {model}}}") == ("jq", "{a: some-model}")


def test_no_model_is_an_empty_word() -> None:
    assert CommandAgent(["fix", "{model}"]).command(replace(WORK, model=None)).argv == ("fix", "")


@pytest.mark.parametrize(
    ("argument", "named"),
    [("{modle}", "{modle}"), ("{}", "{}"), ("{0}", "{0}"), ("{model!r}", "{model}"), ("{model:>9}", "{model}")],
)
def test_any_other_placeholder_is_refused_by_its_name(argument: str, named: str) -> None:
    with pytest.raises(
        ValueError, match=r"is no placeholder; there are \{prompt\}, \{prompt_file\}, \{model\}, \{workspace\}"
    ) as said:
        CommandAgent(["fix", argument])
    assert str(said.value).startswith(named)


def test_a_single_brace_is_refused() -> None:
    with pytest.raises(ValueError, match=r"write \{\{ and \}\} for braces"):
        CommandAgent(["awk", "{print"])


def test_a_command_without_words_is_refused_when_it_is_to_run() -> None:
    agent = CommandAgent([])
    assert agent.traits.program is None
    with pytest.raises(ValueError, match="the agent command has no argv"):
        agent.command(WORK)


def test_the_prompt_is_on_standard_input_unless_the_command_names_it() -> None:
    assert CommandAgent(["fix"]).command(WORK).stdin == b"Fix it.\nPlease."
    assert CommandAgent(["fix", "{prompt}"]).command(WORK).stdin is None


def test_the_prompt_lies_in_a_file_if_the_command_names_it() -> None:
    made = CommandAgent(["fix", "{prompt_file}"]).command(WORK)
    assert (made.argv, made.stdin) == (("fix", "/home/prompt.md"), None)
    assert made.files == {PROMPT_FILE: b"Fix it.\nPlease."}


def test_it_goes_by_the_name_that_it_is_set_up_with() -> None:
    agent: Agent = CommandAgent(["fix"], "fixer")
    assert (agent.traits.name, agent.traits.program) == ("fixer", "fix")


def test_its_lines_are_text_and_its_exit_code_is_its_last_word() -> None:
    assert play(CommandAgent(["fix"]), [b"done"], 0, stderr=[b"hm"]) == [
        Unknown("stderr"),
        Text("done"),
        UsageReport(None, None),
        Ended(EndStatus.COMPLETED, "completed"),
    ]


def test_a_failure_is_told_in_the_last_words_of_standard_error() -> None:
    agent = CommandAgent(["fix"])
    assert last_word(play(agent, [b"done"], 3, stderr=[b"no such model", b""])) == Ended(
        EndStatus.FAILED, "no such model"
    )
    assert last_word(play(CommandAgent(["fix"]), [], 3)) == Ended(EndStatus.FAILED, "it ended with exit code 3")


def test_a_killed_command_has_no_last_word() -> None:
    assert play(CommandAgent(["fix"]), [], None) == [UsageReport(None, None)]


@examine
@given(line=st.binary(max_size=80), stream=st.sampled_from(Stream), code=st.sampled_from([0, 1, None]))
def test_nothing_that_it_prints_does_harm(line: bytes, stream: Stream, code: int | None) -> None:
    agent = CommandAgent(["fix"])
    write_down(agent.parse(line, stream))
    write_down(agent.close(code))
