import re
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.invisible import MISLEADING
from app.domain.text import neutralise, one_line, quote, sentence, subject
from tests.unit.draw import examine, texts

J = "\u2060"
PIECES = (
    *(
        "@",
        "\uff20",
        "team",
        "fixes",
        "#",
        "\uff03",
        "1",
        "\uff11",
        "GH-",
        "owner/project",
        "writer",
        "<b>",
        "</b>",
        " ",
        "\n",
    ),
    *(
        "/",
        "/retry",
        "/lgtm ",
        "[skip ci]",
        "[ci ",
        "skip-checks",
        ":",
        "***NO_CI***",
        "[",
        "]",
        "!",
        "\u200b",
        "\u202e",
    ),
    *(
        "https://github.com/a/b/",
        "pull/1",
        "http://www.github.com/a/b/issues/",
        "<!--",
        "-->",
        "--",
        ">",
        "&",
        "lt;",
        J,
    ),
)
hostile = st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | texts
MENTION = re.compile(r"(?<![A-Za-z0-9])[@\uff20][A-Za-z0-9]")
MARKUP = re.compile(r"[*_~`|\[\\\u200b-\u200d]")
CLOSING = re.compile(
    r"(?<![a-z0-9])(close[sd]?|fix|fixe[sd]|resolve[sd]?):?\s+([\w.-]+/)?([\w.-]+)?([#\uff03]\d|gh-\d|https?://)",
    re.IGNORECASE,
)
ENTITY = re.compile(r"&(#|[A-Za-z]+;)")
ELSEWHERE = re.compile(r"(?<![\w.-])[\w.-]+/[\w.-]+#[0-9]|//(www\.)?github\.com/[\w.-]+/[\w.-]+/(issues|pull)/[0-9]")
SKIPPED = re.compile(r"\[(skip|no) ci\]|\[ci skip\]|\[(skip actions|actions skip)\]|skip-checks:|\*\*\*NO_CI")
BOTS = re.compile(r"^\s*/[a-z][\w-]*(\s|$)", re.IGNORECASE | re.MULTILINE)


def acts(text: str) -> list[str]:
    """List what GitHub would act on, or hide."""
    signs = (MENTION, ENTITY, CLOSING, ELSEWHERE, SKIPPED, MISLEADING, BOTS)
    found = [*(sign.search(text) for sign in signs), CLOSING.search(MARKUP.sub(" ", text))]
    return [match[0] for match in found if match] + [mark for mark in ("<!--", "-->") if mark in text]


@pytest.mark.parametrize(
    "text",
    [
        *("@writer", "(@writer)", "/@writer", "`@writer", "é@writer", "_@writer_", "\\@writer", "@org/team"),
        *(
            "&#64;writer",
            "&#x40;writer",
            "&commat;writer",
            "@&#119;riter",
            "\uff20writer",
            "\ufe6bwriter",
            "@\u202ewriter",
        ),
    ],
)
def test_no_mention_survives(text: str) -> None:
    assert acts(neutralise(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        *("fixes #1", "Closes: #1", "RESOLVED owner/project#1", "fix https://github.com/a/b/issues/1", "closes GH-1"),
        *("does not close #7", "no-close: #7", "_fixes #1_", "fixes **#1**", "fixes [#1](x)", "fixes\\#1", "éfixes #1"),
        *(
            "fixes <b class='x'>#1</b>",
            "fixes writer#1",
            "fixes #\uff11",
            "fixes \uff031",
            "fixes\u200b#1",
            "fixes&#32;#1",
            "fixes&nbsp;#1",
            "fixes\n\n#1",
            "fixes|#1",
            "fixes `#1`",
            "fixes" + " " * 90 + "#1",
        ),
    ],
)
def test_no_closing_keyword_before_a_reference_survives(text: str) -> None:
    assert acts(neutralise(text)) == []
    assert acts(one_line(text)) == []
    assert acts(quote(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "see #1",
        "it is fixed.",
        "a fixed width of #fff",
        "me@example.org",
        "prefix #1",
        "",
        "/usr/bin/env",
        "a /retry",
        "[skipped]",
    ],
)
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert neutralise(text) == text


def test_no_comment_is_hidden() -> None:
    assert neutralise("a <!-- b --> c") == f"a <{J}!-- b --{J}> c"


@pytest.mark.parametrize("text", ["/lgtm", "  /retry it", "a\n/approve", "\t/cc: x", "/merge\r\nb", "\x0c/hold"])
def test_no_line_commands_a_bot(text: str) -> None:
    assert acts(neutralise(text)) == acts(subject(text)) == []


def test_a_command_can_be_copied_out_of_a_quotation_and_a_line() -> None:
    assert [quote("/retry codex"), one_line("/retry codex")] == ["> /retry codex", "/retry codex"]


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("see owner/project#12", f"see owner/project#{J}12"),
        ("https://github.com/a/b/pull/1#x", "https://redirect.github.com/a/b/pull/1#x"),
        ("[a](http://www.github.com/a/b/issues/1)", "[a](http://redirect.github.com/a/b/issues/1)"),
        ("https://github.com/a/b/blob/main/c", "https://github.com/a/b/blob/main/c"),
    ],
)
def test_a_reference_is_not_shown_where_it_points_to(text: str, there: str) -> None:
    assert neutralise(text) == there


@pytest.mark.parametrize(
    "text",
    ["[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]", "skip-checks: true", "***NO_CI***"],
)
def test_nothing_skips_ci(text: str) -> None:
    assert acts(subject(f"Mend it {text}")) == []


@pytest.mark.parametrize(
    ("title", "line"),
    [
        ("Mend `foo` | bar", "Mend `foo` | bar"),
        (" a\r\n\nCo-authored-by: b\u2028c", "a Co-authored-by: b c"),
        ("\u202e\x00 ", "untitled"),
        ("", "untitled"),
        ("x" * 201, "x" * 199 + "…"),
    ],
)
def test_a_subject_is_one_line_and_never_empty(title: str, line: str) -> None:
    assert subject(title) == line


@examine
@given(hostile)
def test_nothing_acts_in_a_subject(text: str) -> None:
    assert acts(subject(text)) == []
    assert len(subject(text).splitlines()) == 1


def test_a_quotation_fetches_no_picture() -> None:
    assert quote("![a](https://e.org/?secret)") == f"> !{J}[a](https://e.org/?secret)"


def test_what_is_no_text_is_taken_out() -> None:
    assert neutralise("a\ud800\x00\u202eb\U000e0041c\td\r\ne") == "abc\td\r\ne"


@examine
@given(hostile)
def test_nothing_acts_after_neutralise(text: str) -> None:
    assert acts(neutralise(text)) == []


@examine
@given(hostile)
def test_nothing_acts_in_one_line_and_it_is_one_line(text: str) -> None:
    line = one_line(text)
    assert acts(f"It: {line}") == []
    assert re.search(r"[|`\n\r]|<[A-Za-z/!?]", line) is None


@examine
@given(hostile)
def test_each_line_of_a_quote_is_quoted_and_harmless(text: str) -> None:
    quoted = quote(text)
    assert acts(quoted) == []
    assert all(line.startswith("> ") for line in quoted.splitlines())


@examine
@given(hostile)
def test_neutralise_twice_is_neutralise_once(text: str) -> None:
    once = neutralise(text, 40)
    assert neutralise(once, 40) == once
    assert subject(subject(text, 40), 40) == subject(text, 40)


@examine
@given(hostile)
def test_a_limit_is_kept(text: str) -> None:
    assert [len(cut(text, 20)) <= 20 for cut in (neutralise, one_line)] == [True, True]


def test_a_cut_is_shown() -> None:
    assert neutralise("x" * 11, 10) == "x" * 9 + "…"


def test_what_one_line_takes_out_makes_no_mention() -> None:
    assert one_line("`@writer`") == f"@{J}writer"


def test_one_line_keeps_one_blank_for_each_break() -> None:
    assert one_line("  a\r\n\tb | `c`  ") == "a b c"


def test_a_quote_cannot_close_the_fold_around_it() -> None:
    assert quote("</details>\nout") == f"> <{J}/details>\n> out"


@pytest.mark.parametrize(
    "text",
    [
        "fix" + "-" * 500_000,
        "fix <b" * 80_000,
        "a/" * 250_000,
        "[skip" * 100_000,
        "@a/b#" * 100_000,
        "/a" * 250_000,
        "a\n" * 250_000,
    ],
)
def test_a_long_text_takes_no_time(text: str) -> None:
    began = process_time()
    assert neutralise(text, 500_000).replace(J, "")[:3] == text[:3]
    assert process_time() - began < 5


@pytest.mark.parametrize(
    ("text", "line"),
    [("it took too long", "it took too long."), ("Why?", "Why?"), ("It ended.", "It ended."), ("a\nb", "a b.")],
)
def test_a_sentence_ends_as_one(text: str, line: str) -> None:
    assert sentence(text) == line
