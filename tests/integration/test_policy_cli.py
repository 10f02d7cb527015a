"""`orch policy`, as a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

START = "from app.cli import main, policy; policy.register(main.cli); main.main()"
ROOT = str(Path(__file__).parents[2])


def policy(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-c", START, "policy", *argv],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("argv", "status", "said"),
    [
        (
            ("plan-readonly", "Bash", "git status"),
            0,
            "allow: git status\n  by plan-readonly 19: allow shell ls, cat, head, tail, wc, stat and 72 more on **, "
            "/dev/null, /dev/stdout, /dev/stderr, /dev/zero, /dev/urandom: reads in the workspace\n",
        ),
        (
            ("plan-readonly", "Bash", "git status; rm x"),
            1,
            "deny: rm x\n  by plan-readonly 27: deny anything: it is not known to only read in the workspace\n",
        ),
        (
            ("headless-safe", "fetch", "https://example.com"),
            3,
            "ask: https://example.com\n  by headless-safe 42: ask anything: no rule knows it\n",
        ),
        (
            ("headless-safe", "Bash", "ls 'x"),
            1,
            "deny: a quote does not end\n  by headless-safe: deny what cannot be understood\n",
        ),
        (
            ("trusted", "mcp__x", "{}"),
            0,
            "allow: no agent is known to have a tool `mcp__x`\n  by trusted: allow what cannot be understood\n",
        ),
    ],
)
def test_check_says_what_becomes_of_a_call(argv: tuple[str, ...], status: int, said: str, tmp_path: Path) -> None:
    done = policy(tmp_path, "check", *argv)
    assert (done.returncode, done.stdout, done.stderr) == (status, said, "")


def test_input_may_be_json_and_the_answer_too(tmp_path: Path) -> None:
    given = json.dumps({"file_path": "/w/.git/config", "content": "x"})
    done = policy(tmp_path, "check", "headless-safe", "Write", given, "--workspace", "/w", "--json")
    assert (done.returncode, json.loads(done.stdout)["effect"]) == (1, "deny")
    assert json.loads(done.stdout)["why"] == "write /w/.git/config"


def test_paths_begin_at_the_current_directory(tmp_path: Path) -> None:
    assert policy(tmp_path, "check", "plan-readonly", "Read", str(tmp_path / "a")).returncode == 0
    assert policy(tmp_path, "check", "plan-readonly", "Read", str(tmp_path.parent / "a")).returncode == 1


def test_what_a_terminal_would_obey_is_written_out(tmp_path: Path) -> None:
    done = policy(tmp_path, "check", "trusted", "Read", "a\x1b[31m")
    assert done.stdout.startswith("allow: read a\\x1b[31m\n")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("check", "headless-save", "Bash", "ls"), "there is no profile 'headless-save'; did you mean headless-safe?"),
        (("check", "trusted", "Bash", '{"command": ls}'), "the input looks like JSON and is none: Expecting value"),
        (("check", "trusted", "Bash"), "Missing argument 'INPUT'"),
        (("show", "x"), "there is no profile 'x'; there are plan-readonly,"),
    ],
)
def test_bad_usage_is_one_line(argv: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = policy(tmp_path, *argv)
    [line] = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert line.startswith(f"orch: {said}")


def test_show_lists_the_rules_in_order(tmp_path: Path) -> None:
    done = policy(tmp_path, "show", "trusted")
    assert (done.returncode, done.stdout) == (
        0,
        "trusted: Everything: the sandbox is the wall. It needs no gate.\n"
        "  1  allow anything: the sandbox is the wall\n"
        "  -  allow what cannot be understood\n",
    )


def test_show_has_all_of_a_profile_as_json(tmp_path: Path) -> None:
    shown = json.loads(policy(tmp_path, "show", "headless-safe", "--json").stdout)
    assert (shown["profile"], shown["needs_gate"], shown["unreadable"]) == ("headless-safe", True, "deny")
    assert [rule["number"] for rule in shown["rules"]] == list(range(1, len(shown["rules"]) + 1))
    assert {rule["effect"] for rule in shown["rules"]} == {"allow", "ask", "deny"}
