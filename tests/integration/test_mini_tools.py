"""What the model of the `mini` agent can do in a workspace."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runner.agents import mini_model
from runner.agents.base import Refused, ToolResult
from tests.integration.mini_stage import KEY, Stage, mini_stage, result, without_ids
from tests.model.script import Call, Shell


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with mini_stage(tmp_path) as made:
        yield made


def edit(path: str, old: str, new: str) -> Call:
    return Call("edit_file", {"path": path, "old_text": old, "new_text": new})


async def test_a_failed_command_is_told_with_its_code_and_all_output(stage: Stage) -> None:
    (event,) = without_ids(await stage.use(Shell("echo out; echo err >&2; exit 3")))
    assert event == ToolResult(False, "exit code 3\nout\nerr\n")


async def test_of_a_long_output_beginning_and_end_are_kept(stage: Stage) -> None:
    events = await stage.use(Shell("printf begin; head -c 1000000 /dev/zero | tr '\\0' x; printf end"), output_bytes=10)
    assert result(events).output == "exit code 0\nbegin\n[999998 bytes left out]\nxxend"


async def test_a_command_that_takes_too_long_is_killed(stage: Stage) -> None:
    events = await stage.use(Shell("echo begun; sleep 300"), command_seconds=2)
    assert without_ids(events) == [ToolResult(False, "killed after 2 s\nbegun\n")]


async def test_what_a_command_leaves_in_the_background_is_not_waited_for(stage: Stage) -> None:
    events = await stage.use(Shell("sleep 300 & echo begun"))
    assert without_ids(events) == [ToolResult(True, "exit code 0\nbegun\n")]


async def test_commands_do_not_see_the_key(stage: Stage) -> None:
    events = await stage.use(Shell("env"), Call("shell", {"command": f"echo {KEY}"}))
    told = [event.output for event in events if isinstance(event, ToolResult)]
    assert mini_model.KEY not in told[0]
    assert told[1] == "exit code 0\n***\n"


async def test_an_edit_replaces_the_one_place(stage: Stage) -> None:
    (stage.tree / "file").write_bytes(b"one\r\ntwo \xff\r\n")
    events = await stage.use(edit("file", "one\r\n", "three\r\n"))
    assert without_ids(events) == [ToolResult(True, "changed file")]
    assert (stage.tree / "file").read_bytes() == b"three\r\ntwo \xff\r\n"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (edit("file", "x", "y"), "the text to replace occurs 2 times in file, not once"),
        (edit("file", "z", "y"), "the text to replace occurs 0 times in file, not once"),
        (edit("file", "", "y"), "[Errno 17] File exists: "),
        (edit("none", "x", "y"), "none is no file"),
        (edit("a\0b", "x", "y"), "embedded null byte"),
        (Call("shell", {"command": "echo \0"}), "embedded null byte"),
        (Call("shell", {"cmd": "echo"}), "`shell` takes a JSON object with the texts command"),
        (Call("shell", {"command": ["echo"]}), "`shell` takes a JSON object with the texts command"),
        (Call("shell", '{"command": "ec'), "`shell` takes a JSON object with the texts command"),
        (Call("browser", {}), "there is no tool `browser`, only shell and edit_file"),
    ],
)
async def test_a_call_that_makes_no_sense_is_answered_with_the_reason(stage: Stage, call: Call, said: str) -> None:
    (stage.tree / "file").write_text("xx")
    told = result(await stage.use(call))
    assert (told.ok, told.output[: len(said)]) == (False, said)
    assert (stage.tree / "file").read_text() == "xx"


async def test_arguments_that_are_no_json_do_not_stay_in_the_conversation(stage: Stage) -> None:
    await stage.use(Call("shell", '{"command": "ec'))
    assert stage.server.last
    assert stage.server.last.body["messages"][2]["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize("path", ["../outside", "/tmp/outside", "folder/../../outside", "link", "way/outside"])
async def test_an_edit_outside_the_workspace_is_refused(stage: Stage, path: str) -> None:
    (stage.tree / "link").symlink_to(stage.folder / "outside")
    (stage.tree / "way").symlink_to(stage.folder)
    refused, told = without_ids(await stage.use(edit(path, "", "text")))
    assert refused == Refused("edit_file", f"{path} lies outside the repository")
    assert told == ToolResult(False, f"{path} lies outside the repository")
    assert not (stage.folder / "outside").exists()
