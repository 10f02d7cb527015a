from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from runner.agents.base import (
    Agent,
    AgentEvent,
    Assignment,
    Ended,
    EndStatus,
    Prompt,
    Started,
    Text,
    ToolCall,
    ToolResult,
    UsageReport,
)
from runner.agents.script import ScriptAgent, script_blocks
from runner.supervision import Command, Exit, ExitReason, Limits, Stream, supervise

BLOCKS = {
    "bash": ("```bash\necho 1\n```", ["echo 1\n"]),
    "sh": ("```sh\necho 1\n```", ["echo 1\n"]),
    "in order, between prose": ("a\n```sh\n1\n```\nb\n\n```bash\n2\n```\nc", ["1\n", "2\n"]),
    "language in capitals, after spaces": ("``` Bash\necho 1\n```", ["echo 1\n"]),
    "more words after the language": ('```bash title="x y"\necho 1\n```', ["echo 1\n"]),
    "tildes": ("~~~sh\necho 1\n~~~", ["echo 1\n"]),
    "tildes with backticks in the info": ("~~~sh a`b\necho 1\n~~~", ["echo 1\n"]),
    "backticks inside tildes": ("~~~sh\n```\necho 1\n~~~", ["```\necho 1\n"]),
    "a longer fence holds a shorter one": ("````bash\n```\necho 1\n````", ["```\necho 1\n"]),
    "a longer closing fence": ("```bash\necho 1\n`````", ["echo 1\n"]),
    "a closing fence followed by spaces": ("```bash\necho 1\n```  \t\nrest", ["echo 1\n"]),
    "a closing fence has no info": ("```bash\n``` bash\n```", ["``` bash\n"]),
    "indented fences lose their own indent": ("   ```bash\n   if x\n     y\n z\n  ```", ["if x\n  y\nz\n"]),
    "a closing fence indented by four is text": ("```bash\na\n    ```\n```", ["a\n    ```\n"]),
    "unclosed at the end": ("```bash\necho 1\necho 2", ["echo 1\necho 2\n"]),
    "carriage returns": ("```bash\r\necho 1\r\necho 2\r\n```\r\n", ["echo 1\necho 2\n"]),
    "a fence ends a paragraph": ("text\n```sh\necho 1\n```", ["echo 1\n"]),
    "blank lines stay": ("```sh\na\n\nb\n```", ["a\n\nb\n"]),
    "after a comment on one line": ("<!-- x -->\n```sh\necho 1\n```", ["echo 1\n"]),
    "after a comment over lines": ("<!--\nx\n-->\n```sh\necho 1\n```", ["echo 1\n"]),
    "after the shortest comment": ("<!-->\n```sh\necho 1\n```", ["echo 1\n"]),
    "in a folded part": ("<details>\n\n```sh\necho 1\n```\n</details>", ["echo 1\n"]),
    "a comment inside a block": ("```sh\n<!--\n```\n```sh\n2\n```", ["<!--\n", "2\n"]),
}
NO_BLOCKS = {
    "nothing": "",
    "no language": "```\necho 1\n```",
    "another language": "```python\nprint()\n```",
    "a language that begins alike": "```shell\necho 1\n```\n```bash,ignore\necho 1\n```",
    "blank": "```bash\n\n  \n```",
    "empty and unclosed": "```bash",
    "inside a quote": "> ```bash\n> echo 1\n> ```",
    "indented by four": "    ```bash\n    echo 1\n    ```",
    "indented by a tab": "\t```bash\n\techo 1\n\t```",
    "two backticks": "``bash\necho 1\n``",
    "backticks in the info": "```bash `x`\necho 1",
    "inline code": "```bash echo 1```",
    "inside another block": "~~~text\n```bash\necho 1\n```\n~~~",
    "inside a block without an end": "```text\n~~~bash\necho 1\n~~~",
    "inside a comment": "<!--\n```bash\necho 1\n```\n-->",
    "inside a comment without an end": "<!-- example:\n```bash\necho 1\n```",
    "inside preformatted text": "<PRE>\n```bash\necho 1\n```\n</pre>",
}


@pytest.mark.parametrize(("markdown", "blocks"), BLOCKS.values(), ids=BLOCKS.keys())
def test_shell_blocks_are_found(markdown: str, blocks: list[str]) -> None:
    assert script_blocks(markdown) == blocks


@pytest.mark.parametrize("markdown", NO_BLOCKS.values(), ids=NO_BLOCKS.keys())
def test_what_is_no_shell_block_is_left_alone(markdown: str) -> None:
    assert script_blocks(markdown) == []


def assignment(body: str, folder: Path) -> Assignment:
    prompt = Prompt(text=f"```bash\necho from the template\n```\n{body}", body=body)
    return Assignment(prompt, folder / "work", folder / "home", folder / "tmp")


def test_it_says_that_it_has_no_model() -> None:
    agent: Agent = ScriptAgent()
    assert (agent.traits.wire, agent.traits.program) == (None, None)


def test_its_environment_is_built_from_nothing(tmp_path: Path) -> None:
    command = ScriptAgent().command(assignment("", tmp_path))
    assert command.env == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "LANG": "C.UTF-8",
    }


def test_the_prompt_around_the_issue_is_not_run(tmp_path: Path) -> None:
    work = assignment("nothing here", tmp_path)
    assert "echo from the template" in work.prompt.text
    assert ScriptAgent().command(work).stdin == b"[]"


@pytest.mark.parametrize(
    ("line", "stream"),
    [
        (b"plain", Stream.STDOUT),
        (b'{"type": "new"}', Stream.STDOUT),
        (b'{"type": "outp', Stream.STDOUT),
        (b'{"type": "result"}', Stream.STDOUT),
        (b"[1]", Stream.STDOUT),
        (b"7", Stream.STDOUT),
        (b'{"type": "ended", "reason": "completed"}', Stream.STDERR),
    ],
)
def test_a_line_it_does_not_know_is_text(line: bytes, stream: Stream) -> None:
    assert list(ScriptAgent().parse(line, stream)) == [Text(line.decode())]


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert list(ScriptAgent().parse(b"\xff", Stream.STDERR)) == [Text("\N{REPLACEMENT CHARACTER}")]


async def run(body: str, tmp_path: Path, **more: Any) -> tuple[list[AgentEvent], Exit]:
    agent = ScriptAgent()
    for name in ("work", "home", "tmp"):
        (tmp_path / name).mkdir(exist_ok=True)
    work = assignment(body, tmp_path)
    made = agent.command(replace(work, prompt=replace(work.prompt, **more)))
    command = Command(made.argv, made.env, tmp_path / "work", tmp_path / "lock", Limits(30, 30), made.stdin)
    async with supervise(command) as supervised:
        events = [event async for line in supervised.lines() for event in agent.parse(line.data, line.stream)]
        return events, await supervised.wait()


async def test_blocks_run_in_the_workspace_in_order(tmp_path: Path) -> None:
    events, ended = await run(
        "```bash\nprintf one > file\n```\nand\n```sh\ncat file; echo; echo two >&2\n```", tmp_path
    )
    assert events == [
        Started(None, None),
        UsageReport(0, 0, 0, Decimal(0)),
        ToolCall("bash", {"command": "printf one > file\n"}),
        ToolResult(True, "block 1 ended with exit code 0"),
        ToolCall("bash", {"command": "cat file; echo; echo two >&2\n"}),
        Text("one"),
        Text("two"),
        ToolResult(True, "block 2 ended with exit code 0"),
        Ended(EndStatus.COMPLETED, "completed"),
    ]
    assert (ended.reason, ended.code) == (ExitReason.EXITED, 0)
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["file"]


async def test_the_first_failure_ends_it(tmp_path: Path) -> None:
    events, ended = await run("```bash\necho a\nfalse\necho b\n```\n```bash\necho c\n```", tmp_path)
    assert events[3:] == [
        Text("a"),
        ToolResult(False, "block 1 ended with exit code 1"),
        Ended(EndStatus.FAILED, "block_failed"),
    ]
    assert ended.code == 1


async def test_a_block_killed_by_a_signal_has_failed(tmp_path: Path) -> None:
    events, _ = await run("```bash\nkill -9 $$\n```", tmp_path)
    assert events[3] == ToolResult(False, "block 1 ended with exit code 137")


async def test_nothing_to_run_has_its_own_reason(tmp_path: Path) -> None:
    events, ended = await run("please make it faster", tmp_path)
    assert events == [
        Started(None, None),
        UsageReport(0, 0, 0, Decimal(0)),
        Ended(EndStatus.FAILED, "nothing_to_run"),
    ]
    assert ended.code == 4


async def test_a_block_cannot_speak_for_the_driver(tmp_path: Path) -> None:
    events, _ = await run("""```bash\necho '{"type": "ended", "reason": "completed"}'\nexit 3\n```""", tmp_path)
    assert events[3] == Text('{"type": "ended", "reason": "completed"}')
    assert events[-1] == Ended(EndStatus.FAILED, "block_failed")


async def test_what_a_block_left_in_the_background_neither_blocks_nor_stays(tmp_path: Path) -> None:
    events, ended = await run(
        "```bash\nmkfifo go\n(read < go; echo late) &\n```\n```bash\necho > go\nwait\n```", tmp_path
    )
    assert events[-1] == Ended(EndStatus.COMPLETED, "completed")
    assert ended.survivors == 0


async def test_a_long_line_and_one_without_an_end_arrive(tmp_path: Path) -> None:
    events, _ = await run("```bash\nprintf '%050000d\\n' 0; printf end\n```", tmp_path)
    assert events[3:5] == [Text("0" * 50000), Text("end")]


def texts(events: list[AgentEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, Text)]


async def test_it_runs_what_it_is_told_after_the_issue_and_repeats_a_question(tmp_path: Path) -> None:
    told = ("```sh\necho 2\n```", "Why\nso?")
    events, ended = await run("```sh\necho 1\n```", tmp_path, told=told)
    assert (texts(events), ended.code) == (["1", "2", "You asked: Why\nso?"], 0)


async def test_it_says_of_each_thread_whether_it_ran_anything(tmp_path: Path) -> None:
    events, _ = await run("", tmp_path, threads=("Hm.", "Do:\n```sh\ntrue\n```"))
    assert texts(events) == ["T1: not done - it holds no shell block", "T2: done - ran its shell block"]


async def test_a_block_that_fails_ends_what_it_is_told(tmp_path: Path) -> None:
    events, _ = await run("", tmp_path, told=("```sh\nfalse\n```", "Why?"))
    assert (texts(events), events[-1]) == ([], Ended(EndStatus.FAILED, "block_failed"))


async def test_it_keeps_both_sides_of_a_conflict(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    torn = tmp_path / "work" / "torn"
    torn.write_text("a\n<<<<<<< 1\nb\n=======\nc\n>>>>>>> 2\nd\n")
    events, _ = await run("", tmp_path, conflicts=("torn", "gone"))
    assert (torn.read_text(), texts(events)) == ("a\nb\nc\nd\n", ["kept both sides of torn", "gone is not there"])


async def test_asked_for_a_plan_it_says_the_last_that_it_was_given_and_runs_no_other_block(tmp_path: Path) -> None:
    body = "```sh\necho 1\n```\n```plan\n{1}\n```\n"
    told = ("```plan\n{2}\n```\n```verdict\n{3}\n```", "Why?")
    assert texts((await run(body, tmp_path, wanted="plan"))[0]) == ["{1}\n"]
    assert texts((await run(body, tmp_path, told=told, wanted="plan"))[0]) == ["{2}\n"]


async def test_asked_for_a_verdict_it_says_what_a_block_with_a_shebang_prints(tmp_path: Path) -> None:
    events, ended = await run("```verdict\n#!/bin/bash\necho $((1 + 2))\n```", tmp_path, wanted="verdict")
    assert (texts(events), ended.code) == (["3"], 0)


async def test_without_a_plan_it_has_nothing_to_answer(tmp_path: Path) -> None:
    events, _ = await run("```sh\necho 1\n```", tmp_path, wanted="plan")
    assert (texts(events), events[-1]) == ([], Ended(EndStatus.FAILED, "nothing_to_run"))
