"""Bash itself, beside what was read out of a line: nothing may run, and no file may come to be, that was not foreseen.

Every program is one that bash does not find; its handler writes down what it was asked to run.
"""

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.domain.tools.globs import is_marked
from app.domain.tools.shell import Script, Unreadable, read_script

NOTE = (
    """command_not_found_handle() { printf '%s\\0' "$@" "" $'\\1' >"$LOG/$BASHPID.$RANDOM"; return 127; }; eval "$1" """
)
LINES = (
    "aa x 'b b' \"c $x\" | bb && cc",
    "if aa; then bb; elif cc; then dd; else aa; fi",
    "for i in a b; do aa $i; done",
    "{ aa; bb; } > f; ( aa; bb ) | cc",
    "cc <<E\nfoo $(aa) `bb`\nE\ndd",
    "cc <<'E'\nfoo $(aa)\nE\ndd",
    "cc <<-E\n\tx\n\tE\nbb",
    "aa $(bb `cc`) x",
    "x=1 y=$(aa) bb",
    "aa > f 2>&1 < /dev/null & bb",
    "aa # comment\nbb",
    "aa \\\n bb; cc",
    'aa "$(bb \'x)\' "$(cc)")"',
    "aa <(bb)#x; cc",
    "aa {b,c} {} {x} ${x:-y} ${#x} $((1+2))",
    "aa \"x\\\"y\" 'z'\"'\"'w' $'x\\'y' bb",
    'echo "$(cat <<E\nx (\nE\n)" ; bb',
)
PIECES = (
    *(
        "aa",
        "bb",
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
        "<<'E'",
        "\nE\n",
        "<(",
        "$x",
        "${x}",
        "$'a'",
        '$"',
        "x=",
        "if ",
        "then ",
        "fi",
        "do ",
        "done",
        "for i in a b",
    ),
    *(
        "!",
        "*",
        "?",
        "[",
        "]",
        "{a,b}",
        "2>",
        "&>",
        ">&",
        "<<<",
        "1",
        "case ",
        ";;",
        "function ",
        "f()",
        "[[",
        "((",
        "\\\n",
    ),
)


def mutated(seed: int) -> str:
    """Make a line by putting pieces into one that is whole."""
    draw = random.Random(seed)
    line = draw.choice(LINES)
    for _ in range(draw.randint(0, 4)):
        at = draw.randint(0, len(line))
        line = line[:at] + draw.choice(PIECES) + line[at + draw.choice((0, 0, 1, 2)) :]
    return line


def run(bash: str, line: str, folder: Path) -> tuple[list[list[str]], set[str]]:
    """Return what bash was asked to run, and the files that it made."""
    log, work = folder / "log", folder / "work"
    for place in (log, work):
        place.mkdir(parents=True)
    env = {"PATH": "/nonexistent", "LOG": str(log), "HOME": str(work)}
    argv = [bash, "--norc", "-c", NOTE, "note", line]
    subprocess.run(argv, cwd=work, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
    ran = [note.read_text(errors="replace").split("\0")[:-3] for note in log.iterdir()]
    return ran, {file.name for file in work.iterdir()}


def foreseen(script: Script, argv: list[str]) -> bool:
    words = [list(simple.words) for simple in script.commands if simple.words[:1] == (argv[0],)]
    return any(given == argv or any(is_marked(word) for word in given) for given in words)


@pytest.mark.parametrize("part", range(8))
def test_bash_runs_nothing_that_was_not_read(part: int, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash
    runs = 0
    for seed in range(part * 60, part * 60 + 60):
        try:
            script = read_script(line := mutated(seed))
        except Unreadable:
            continue
        if re.search(r"\$[?#$]", line):  # a number, but not which
            continue
        ran, files = run(bash, line, tmp_path / str(seed))
        targets = {path for simple in script.commands for path in simple.writes}
        assert [argv for argv in ran if argv and not foreseen(script, argv)] == [], line
        assert files <= targets or any(is_marked(target) for target in targets), line
        runs += len(ran)
    assert runs > 10
