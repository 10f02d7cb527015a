import re

import pytest
from hypothesis import given

from app.domain.text import neutralise, one_line, quote, sentence
from tests.unit.draw import examine, texts

J = "\u2060"
MENTION = re.compile(r"(?<![A-Za-z0-9])@[A-Za-z0-9]")
MARKUP = re.compile(r"[*_~`|\[\\\u200b-\u200d]")
CLOSING = re.compile(
    r"(?<![a-z0-9])(close[sd]?|fix|fixe[sd]|resolve[sd]?):?\s+([\w.-]+/[\w.-]+)?(#[0-9]|gh-[0-9]|https?://)",
    re.IGNORECASE,
)
ENTITY = re.compile(r"&(#|[A-Za-z]+;)")


def acts(text: str) -> list[str]:
    """List what GitHub would act on, or hide."""
    found = [MENTION.search(text), ENTITY.search(text), CLOSING.search(text), CLOSING.search(MARKUP.sub(" ", text))]
    return [match[0] for match in found if match] + [mark for mark in ("<!--", "-->") if mark in text]


@pytest.mark.parametrize(
    "text",
    [
        *("@writer", "(@writer)", "/@writer", "`@writer", "é@writer", "_@writer_", "\\@writer", "@org/team"),
        *("&#64;writer", "&#x40;writer", "&commat;writer", "@&#119;riter"),
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


@pytest.mark.parametrize("text", ["see #1", "it is fixed.", "a fixed width of #fff", "me@example.org", "prefix #1", ""])
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert neutralise(text) == text


def test_no_comment_is_hidden() -> None:
    assert neutralise("a <!-- b --> c") == f"a <{J}!-- b --{J}> c"


@examine
@given(texts)
def test_nothing_acts_after_neutralise(text: str) -> None:
    assert acts(neutralise(text)) == []


@examine
@given(texts)
def test_nothing_acts_in_one_line_and_it_is_one_line(text: str) -> None:
    line = one_line(text)
    assert acts(line) == []
    assert re.search(r"[|`\n\r]|<[A-Za-z/!?]", line) is None


@examine
@given(texts)
def test_each_line_of_a_quote_is_quoted_and_harmless(text: str) -> None:
    quoted = quote(text)
    assert acts(quoted) == []
    assert all(line.startswith("> ") for line in quoted.splitlines())


@examine
@given(texts)
def test_neutralise_twice_is_neutralise_once(text: str) -> None:
    once = neutralise(text, 40)
    assert neutralise(once, 40) == once


@examine
@given(texts)
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


def test_a_long_run_of_signs_takes_no_time() -> None:
    assert neutralise("fix" + "-" * 3_000_000, 2_000_000)[:5] == "fix--"


@pytest.mark.parametrize(
    ("text", "line"),
    [("it took too long", "it took too long."), ("Why?", "Why?"), ("It ended.", "It ended."), ("a\nb", "a b.")],
)
def test_a_sentence_ends_as_one(text: str, line: str) -> None:
    assert sentence(text) == line
