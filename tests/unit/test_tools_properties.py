"""What holds for every tool call."""

from pathlib import PurePosixPath
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain.tools.globs import MARKS
from app.domain.tools.judge import Ruling, judge
from app.domain.tools.profiles import PLAN_READONLY, PROFILES
from app.domain.tools.rules import Profile, Rule, RuleEffect, tighten
from app.domain.tools.uses import ToolKind, ToolUse
from tests.unit.draw import examine, texts

WORKSPACE = PurePosixPath("/workspace")
PIECES = (
    *(
        "ls",
        "cat",
        "git",
        "log",
        "rm",
        "sudo",
        "find",
        "bash",
        "-c",
        "-exec",
        "env",
        "xargs",
        "eval",
        "cd",
        "x=1",
        "a/b",
    ),
    *(
        " ",
        " ",
        " ",
        "\n",
        ";",
        "&&",
        "||",
        "|",
        "&",
        "(",
        ")",
        "{",
        "}",
        "$(",
        "`",
        "'",
        '"',
        "\\",
        "#",
        "<",
        ">",
        ">>",
    ),
    *(
        "<<E",
        "\nE\n",
        "<(",
        "$x",
        "${x}",
        "$'a'",
        "*",
        "?",
        "[",
        "{a,b}",
        "~",
        "..",
        "/",
        "/etc",
        "2>&1",
        "<<<",
        "é",
        "\0",
    ),
    *("if ", "then ", "fi", "for i in a; do ", "done", "while ", "-", "--", "=", "+", "\u202e", ".env", ".git", *MARKS),
)
OPERATORS = (";", "\n", "&&", "||", "|", "&", " ; ")
commands = st.one_of(texts, st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
denied = st.sampled_from(
    (
        "rm x",
        "sudo ls",
        "find . -delete",
        "git push",
        "curl x",
        "sort -o x y",
        "bash x.sh",
        "tee x",
        "ls > x",
        "PATH=. ls",
    )
)
tools = st.one_of(
    st.sampled_from(("Bash", "shell", "Read", "edit", "Glob", "WebFetch", "plan", "mcp__x__y")), st.text()
)
FIELDS = ("command", "cmd", "path", "paths", "file_path", "pattern", "changes", "content", "url", "patch", "cwd", "env")
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | commands,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from((*FIELDS, "kind")), inner, max_size=3),
    max_leaves=6,
)
inputs = st.dictionaries(st.sampled_from(FIELDS), anything, max_size=4)
profiles = st.sampled_from(tuple(PROFILES.values()))


@st.composite
def tightening(draw: st.DrawFn) -> Rule:
    """Draw a rule that asks or denies."""
    given: dict[str, Any] = {
        "effect": draw(st.sampled_from((RuleEffect.ASK, RuleEffect.DENY))),
        "tools": draw(st.lists(st.sampled_from((*ToolKind, "Ba*", "mcp__*")), max_size=2)),
        "commands": draw(st.lists(st.sampled_from(("rm", "git push", "*", "ls")), max_size=2)),
        "options": draw(st.lists(st.sampled_from(("-f", "--force", "*x*")), max_size=1)),
        "paths": draw(st.lists(st.sampled_from(("**", "/**", "~/**", "$", "a/**", "**/.env")), max_size=2)),
    }
    return Rule.model_validate(given)


def ruling(profile: Profile, command: str) -> Ruling:
    return judge(profile, ToolUse("Bash", {"command": command}), WORKSPACE)


@examine
@given(profiles, tools, inputs)
def test_no_call_makes_it_raise(profile: Profile, tool: str, given_input: dict[str, Any]) -> None:
    made = judge(profile, ToolUse(tool, given_input), WORKSPACE)
    assert "\n" not in made.rule + made.why


@examine
@given(profiles, commands)
def test_no_command_makes_it_raise(profile: Profile, command: str) -> None:
    assert ruling(profile, command).effect in RuleEffect


@examine
@given(denied, st.sampled_from((*OPERATORS, " ")), commands)
def test_what_is_added_behind_a_denied_command_does_not_allow_it(command: str, operator: str, text: str) -> None:
    assert ruling(PLAN_READONLY, command + operator + text).effect is RuleEffect.DENY


@examine
@given(commands, st.sampled_from(OPERATORS), denied)
def test_what_is_added_before_a_denied_command_does_not_allow_it(text: str, operator: str, command: str) -> None:
    """It may make mere text of it: then what is before is no command that is allowed by itself."""
    if ruling(PLAN_READONLY, text).effect is RuleEffect.ALLOW and "#" not in text:
        assert ruling(PLAN_READONLY, text + operator + command).effect is RuleEffect.DENY


@examine
@given(profiles, st.lists(tightening(), max_size=3), st.lists(tightening(), max_size=2), tools, inputs)
def test_i11_what_is_tightened_is_never_looser(
    profile: Profile, first: list[Rule], second: list[Rule], tool: str, given_input: dict[str, Any]
) -> None:
    call = ToolUse(tool, given_input)
    steps = [profile, tighten(profile, first), tighten(tighten(profile, first), second)]
    strictness = [judge(step, call, WORKSPACE).effect.strictness for step in steps]
    assert strictness == sorted(strictness)


@examine
@given(profiles, st.lists(tightening(), max_size=3), commands)
def test_i11_a_tightened_profile_is_never_looser_on_a_command(
    profile: Profile, rules: list[Rule], command: str
) -> None:
    tight = ruling(tighten(profile, rules), command)
    assert tight.effect.strictness >= ruling(profile, command).effect.strictness
