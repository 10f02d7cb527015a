import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app.domain.markdown import lines_of, mask
from tests.unit.draw import examine

MARKDOWN = MarkdownIt("commonmark")
LINES = (
    *("/stop", "   /stop", "    /stop", "> /stop", "- /stop", "/stop it", "\t/stop", " - /stop"),
    *("```", "````", "~~~", "``` a`b", "   ```", "    ```", "- ```", "1. ~~~", "  ```", "> ```", "```python", "~~~ `"),
    *("<!--", "-->", "<!-- a -->", "text <!-- b", "a --> b", " <!--", "- <!--", "<!-- a --> <!--", "<!---->", "> <!--"),
    *(
        "",
        "",
        "text",
        "> quoted",
        "- item",
        "  more",
        "1. item",
        "10) item",
        "# head",
        "***",
        "=====",
        "* - a",
        "+ + ```",
    ),
)


def shown(body: str) -> set[int]:
    return {line.number - 1 for line in lines_of(body) if line.shown}


def shown_to_a_parser(body: str) -> set[int]:
    """Return the lines that a Markdown parser shows as plain text, outside every quotation."""
    found: set[int] = set()
    quotes = 0
    for token in MARKDOWN.parse(body):
        quotes += token.nesting if token.type.startswith("blockquote") else 0
        if token.type in ("paragraph_open", "heading_open") and token.map and not quotes:
            found |= set(range(*token.map))
    return found


@examine
@example(["- ```", "/stop", "```", "/stop"])
@example(["  ```", "    ```", "/stop"])
@given(st.lists(st.sampled_from(LINES), max_size=10))
def test_a_line_with_a_command_is_plain_text_to_a_markdown_parser_too(lines: list[str]) -> None:
    commands = {number for number, line in enumerate(lines) if line.lstrip(" ").startswith("/") and line[:4] != "    "}
    body = "\n".join(lines)
    assert shown(body) & commands <= shown_to_a_parser(body)


@pytest.mark.parametrize("tag", ["pre", "blockquote", "code", "script", "style", "textarea"])
def test_what_html_shows_as_code_or_quotation_is_no_plain_text(tag: str) -> None:
    assert shown(f"<{tag}>\na\n</{tag.upper()}>\nb") == {3}


def test_the_outer_of_two_blocks_counts() -> None:
    assert shown("<blockquote><blockquote>\n</blockquote>\na\n</blockquote>\nb\n</pre>\nc") == {4, 6}


def test_a_tag_in_inline_code_opens_nothing() -> None:
    assert shown("Use `<pre>`.\n<prefix>\na") == {0, 1, 2}


def test_a_line_that_begins_in_inline_code_is_no_plain_text() -> None:
    assert shown("a `\n/stop\n` b\nc") == {0, 3}
    assert shown("``\na ` b\n/stop\n``\n\n`\n/stop") == {0, 4, 5, 6}


def test_inline_code_ends_with_its_paragraph_at_the_latest() -> None:
    assert shown("don`t\n\n/stop\n\nwon`t") == {0, 1, 2, 3, 4}
    assert shown("~~~\n`\n~~~\n/stop\n`") == {3, 4}


def test_only_cr_and_lf_end_a_line() -> None:
    assert [line.written for line in lines_of("a\r\nb\rc\nd\x0be\u2028f")] == ["a", "b", "c", "d\x0be\u2028f"]


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("a `b` c", "a ``` c"),
        ("`` a ` b `` c", "`" * 11 + " c"),
        ("a ` b", "a ` b"),
        ("`a`` b", "`a`` b"),
        ("`a` `b`", "``` ```"),
        ("a <!-- b --> c --> d", "a `````````` c --> d"),
        ("`<!--` a", "`````` a"),
        ("", ""),
    ],
)
def test_inline_code_and_comments_are_masked_where_they_are_closed(line: str, masked: str) -> None:
    assert mask(line) == masked
