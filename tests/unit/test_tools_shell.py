"""A line of shell is taken apart into every simple command it may run, or it is not readable."""

import pytest

from app.domain.tools.globs import ANY, ONE, STAR
from app.domain.tools.shell import LONGEST, Script, Simple, Unreadable, read_script

COMMANDS = {
    "words": ("ls -la  src", [["ls", "-la", "src"]]),
    "every separator": ("a; b && c || d | e |& f & g\nh", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"], ["g"], ["h"]]),
    "quotes": ("'r'm \"x y\" ''", [["rm", "x y", ""]]),
    "escapes": ("r\\m a\\ b", [["rm", "a b"]]),
    "escapes between quotes": ('echo "a\\"b\\$c\\d"', [["echo", 'a"b$c\\d']]),
    "a line that goes on": ("r\\\nm \\\n x", [["rm", "x"]]),
    "a line that goes on between quotes": ('echo "a\\\nb"', [["echo", "ab"]]),
    "comments": ("a # b; c\nd#e", [["a"], ["d#e"]]),
    "no blank but a space": ("a\u00a0b", [["a\u00a0b"]]),
    "subshell": ("(a; (b)) | c", [["a"], ["b"], ["c"]]),
    "group": ("{ a; b; }", [["a"], ["b"]]),
    "condition": ("if a; then b; elif c; then d; else e; fi", [["a"], ["b"], ["c"], ["d"], ["e"]]),
    "negation": ("! a", [["a"]]),
    "a quoted keyword is a program": ("'then' a; if'' b", [["then", "a"], ["if", "b"]]),
    "a keyword behind a redirection is a program": (">f then a; <<<x do b", [["then", "a"], ["do", "b"]]),
    "substitution": ("a $(b `c`) x", [["c"], ["b", ANY], ["a", ANY, "x"]]),
    "substitution between quotes": ('a "x$(b)y`c`"', [["b"], ["c"], ["a", f"x{ANY}y{ANY}"]]),
    "processes as files": ("a <(b) >(c)#; d", [["b"], ["c"], ["a", ANY, f"{ANY}#"], ["d"]]),
    "variables": ("a $x \"${y:-z}\" ${#x} ${x:1:2} $! $'\\x41'", [["a", *[ANY] * 6]]),
    "numbers": ("a $? $# $$", [["a", "0", "0", "0"]]),
    "sums": ("a $((1 + x))", [["a", ANY]]),
    "a dollar alone": ('a $ "$" "x$\'y\'"', [["a", "$", "$", "x$'y'"]]),
    "wildcards": ("a *.py ?[ab] [ '*'", [["a", f"{STAR}.py", f"{ONE}{ANY}ab]", "[", "*"]]),
    "braces": ("a {b,c} {} x@{1} '{d,e}'", [["a", f"{ANY}b,c}}", "{}", "x@{1}", "{d,e}"]]),
    "a here-document is data": ("cat <<E\nrm x\nE\nb", [["cat"], ["b"]]),
    "a here-document is expanded": ('cat <<E\n$(a) `b` \\$(c) "\nE', [["cat"], ["a"], ["b"]]),
    "a quoted here-document is not": ("cat <<'E'; cat <<\"F\"; cat <<\\G\n$(a)\nE\n$(b)\nF\n$(c)\nG", [["cat"]] * 3),
    "an indented here-document": ("cat <<-E\n\tx\n\tE\nb", [["cat"], ["b"]]),
    "a here-document in a substitution": ("a \"$(cat <<'E'\n(x)\nE\n)\"", [["cat"], ["a", ANY]]),
}
UNREADABLE = {
    "quote": "a 'b",
    "double quote": 'a "b',
    "backslash": "a \\",
    "backquote": "a `b",
    "backslash between backquotes": "a `b \\`c\\``",
    "opening parenthesis": "(a",
    "closing parenthesis": "a )",
    "substitution": "a $(b",
    "arithmetic command": "((x=1))",
    "a sum with a substitution": "a $((x[$(b)]))",
    "old sum": "a $[1]",
    "translated text": 'a $"b"',
    "odd expansion": "a ${x@P}",
    "indirect expansion": "a ${!x}",
    "expansion in an expansion": "a ${x:-$(b)}",
    "function": "f() { a; }",
    "function by its word": "function f { a; }",
    "array": "x=(a b)",
    "array element": "x[0]=1",
    "extended glob": "a !(b)",
    "case": "case a in b) c;; esac",
    "case branch": "a ;; b",
    "conditional": "[[ a < b ]]",
    "program in a variable": "$x a",
    "program from a wildcard": "/bin/r?",
    "program from braces": "{rm,-rf,x}",
    "program from braces with a blank": '{rm,"a b"}',
    "redirection to nothing": "a >",
    "a program after what sh takes for a background": "a &> f b",
    "for without a name": "for $x in a; do b; done",
    "for without in": "for x a; do b; done",
    "sum of for": "for ((;;)); do a; done",
    "here-document without an end": "cat <<E\na",
    "here-document without a line": "cat <<E",
    "here-document without an end in a substitution": "a $(cat <<E)\nE",
    "here-document with an odd end": "cat <<$x\n$x",
    "here-document whose line goes on": "cat <<E\na\\\nE\nrm x\nE",
    "here-document behind an open quote": "cat <<E 'a\nb'\nE",
    "here-document before a nested line": "cat <<E $(a\nb)\nE",
    "null": "a\0b",
    "carriage return": "a\r\nb",
    "change of direction": "a \u202e b",
    "half a character": "a \ud800",
    "private character": f"a {ANY}",
    "too long": "a" * (LONGEST + 1),
    "too deep": "a " + "$(" * 50 + ")" * 50,
}


@pytest.mark.parametrize(("text", "commands"), COMMANDS.values(), ids=COMMANDS.keys())
def test_every_simple_command_is_found(text: str, commands: list[list[str]]) -> None:
    assert [list(simple.words) for simple in read_script(text).commands if simple.words] == commands


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_not_understood_is_not_guessed(text: str) -> None:
    with pytest.raises(Unreadable):
        read_script(text)


@pytest.mark.parametrize(
    ("text", "reads", "writes"),
    [
        ("a > x", [], ["x"]),
        ("a 2>> x >| y <> z >&v", [], ["x", "y", "z", "v"]),
        ("a < x 3<y", ["x", "y"], []),
        ("a &> x", [], ["x"]),
        ("a &>> x", [], ["x"]),
        ("> 'a b'", [], ["a b"]),
        ("a > $x", [], [ANY]),
        ("a 2>&1 >&- 0<&3", [], []),
        ("a > 1", [], ["1"]),
        ("a <<< x", [], []),
        ("(a) > x", [], ["x"]),
        ("for i in a; do b; done > x", [], ["x"]),
    ],
)
def test_redirections_are_files_read_and_written(text: str, reads: list[str], writes: list[str]) -> None:
    commands = read_script(text).commands
    assert [path for simple in commands for path in simple.reads] == reads
    assert [path for simple in commands for path in simple.writes] == writes


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("A=1 B+='x y' a", [Simple(("a",), sets=("A=1", "B+=x y"))]),
        ("A=$(b)", [Simple(("b",)), Simple(sets=(f"A={ANY}",))]),
        ("'A'=1 a", [Simple(("A=1", "a"))]),
        ("a B=1", [Simple(("a", "B=1"))]),
        ("for f in a b; do c; done", [Simple(sets=(f"f={ANY}",)), Simple(("c",))]),
    ],
)
def test_variables_are_told_from_words(text: str, commands: list[Simple]) -> None:
    assert list(read_script(text).commands) == commands


def test_a_loop_is_said_to_repeat() -> None:
    assert [read_script(text).repeats for text in ("while a; do b; done", "a `until b; do c; done`", "a; b")] == [
        True,
        True,
        False,
    ]


def test_nothing_is_no_command() -> None:
    assert read_script(" # only this\n\n") == Script((), False)
