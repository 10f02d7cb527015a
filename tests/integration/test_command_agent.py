"""The `command` agent with real programs under the supervisor."""

import sys
from collections.abc import Sequence
from pathlib import Path

from runner.agents.base import AgentEvent, Assignment, Ended, EndStatus, Prompt, Text, Unknown, UsageReport
from runner.agents.command import CommandAgent
from runner.supervision import Command, Exit, ExitReason, Limits, supervise

SAID = "Say héllo.\nTwice, and {not} once."
DONE = [UsageReport(None, None), Ended(EndStatus.COMPLETED, "completed")]


async def run(argv: Sequence[str], here: Path, seconds: float = 30) -> tuple[list[AgentEvent], Exit]:
    """Run a command as a runner does: files in HOME before it, its last word when its process is gone."""
    for name in ("work", "home", "tmp"):
        (here / name).mkdir()
    agent = CommandAgent(argv)
    work = Assignment(Prompt(SAID, SAID), here / "work", here / "home", here / "tmp", model="some-model")
    made = agent.command(work)
    for name, content in made.files.items():
        (work.home / name).write_bytes(content)
    command = Command(made.argv, made.env, work.workspace, here / "lock", Limits(seconds, 30), made.stdin)
    async with supervise(command) as supervised:
        events = [event async for line in supervised.lines() for event in agent.parse(line.data, line.stream)]
        ended = await supervised.wait()
    return [*events, *agent.close(ended.code)], ended


async def test_it_works_in_the_workspace_with_the_prompt_on_standard_input(tmp_path: Path) -> None:
    events, _ = await run(["sh", "-c", "cat > said; pwd"], tmp_path)
    assert (tmp_path / "work" / "said").read_text() == SAID
    assert events == [Text(str(tmp_path / "work")), *DONE]


async def test_the_prompt_arrives_whole_in_an_argument(tmp_path: Path) -> None:
    events, _ = await run(
        [sys.executable, "-c", "import sys; print(ascii(sys.argv[1:]))", "{prompt}", "{model}"], tmp_path
    )
    assert events == [Text(ascii([SAID, "some-model"])), *DONE]


async def test_the_prompt_arrives_whole_in_a_file(tmp_path: Path) -> None:
    await run(["cp", "{prompt_file}", "{workspace}/copy"], tmp_path)
    assert (tmp_path / "work" / "copy").read_text() == SAID


async def test_without_a_prompt_on_it_standard_input_is_empty(tmp_path: Path) -> None:
    events, _ = await run(["sh", "-c", "wc -c; : {prompt}"], tmp_path)
    assert [event.text.strip() for event in events if isinstance(event, Text)] == ["0"]


async def test_a_failure_is_told_with_what_the_program_complained_of(tmp_path: Path) -> None:
    events, ended = await run(["sh", "-c", "echo half; echo 'out of luck' >&2; exit 3"], tmp_path)
    assert events[-1] == Ended(EndStatus.FAILED, "out of luck")
    assert set(events[:-2]) == {Text("half"), Unknown("stderr")}
    assert ended.code == 3


async def test_a_program_that_is_not_there_has_failed(tmp_path: Path) -> None:
    events, ended = await run(["no-such-program-anywhere"], tmp_path)
    assert isinstance(events[-1], Ended)
    assert (events[-1].status, ended.code) == (EndStatus.FAILED, 127)


async def test_a_program_that_takes_too_long_has_no_last_word(tmp_path: Path) -> None:
    events, ended = await run(["sleep", "300"], tmp_path, seconds=0.3)
    assert events == [UsageReport(None, None)]
    assert ended.reason is ExitReason.WALL_TIME
