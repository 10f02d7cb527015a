import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app.domain.commands import Command, Word, commands_in
from tests.unit.draw import examine

APPROVE = Command(Word.APPROVE)
MARKDOWN = MarkdownIt("commonmark")
LINES = (
    *("/approve", "   /approve", "    /approve", "> /approve", "- /approve", "/deny it", "\t/approve", " - /approve"),
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


@pytest.mark.parametrize(
    "body", ["/approve", "/APPROVE", "Fine.\r\n/approve  \r\nThanks.", "   /Approve", "- a\n\n/approve"]
)
def test_a_command_is_the_first_word_of_a_line(body: str) -> None:
    assert commands_in(body) == (APPROVE,)


@pytest.mark.parametrize(
    "body",
    ["", "please /approve", "/approved", "/approve budget 5", "/retry", "`/approve`", "/approve/this", "- /approve"],
)
def test_what_is_no_command_is_ignored(body: str) -> None:
    assert commands_in(body) == ()


def test_a_command_takes_the_rest_of_its_line() -> None:
    assert commands_in("/deny  not on a Friday \nreally") == (Command(Word.DENY, "not on a Friday"),)


def test_each_command_of_a_comment_counts_in_its_order() -> None:
    assert commands_in("/deny\n\n/approve") == (Command(Word.DENY), APPROVE)


@pytest.mark.parametrize(
    "hidden",
    [
        "```\n/approve\n```",
        "````\n```\n/approve\n````",
        "~~~ text\n/approve",
        "    /approve",
        "\t/approve",
        "> /approve",
        "> said\n/approve",
        "<!--\n/approve\n-->",
        "<!-- /approve -->",
        "- ```\n  /approve\n  ```",
        "text <!-- a\n/approve",
    ],
)
def test_what_is_shown_as_code_or_quotation_or_not_at_all_is_no_command(hidden: str) -> None:
    assert commands_in(hidden) == ()


@pytest.mark.parametrize(
    "before",
    ["```\ncode\n```", "> said\n", "<!--\nhidden\n-->", "<!-- hidden -->", "1. a\n   ```\n   b\n   ```", "``` a`b"],
)
def test_what_comes_after_them_is_one(before: str) -> None:
    assert commands_in(f"{before}\n/approve") == (APPROVE,)


def shown_lines(body: str) -> set[int]:
    """Return the lines that a Markdown parser shows as plain text, outside every quotation."""
    found: set[int] = set()
    quotes = 0
    for token in MARKDOWN.parse(body):
        quotes += token.nesting if token.type.startswith("blockquote") else 0
        if token.type in ("paragraph_open", "heading_open") and token.map and not quotes:
            found |= set(range(*token.map))
    return found


@examine
@example(["- ```", "/approve", "```", "/approve"])
@example(["  ```", "    ```", "/approve"])
@given(st.lists(st.sampled_from(LINES), max_size=10))
def test_a_command_is_plain_text_to_a_markdown_parser_too(lines: list[str]) -> None:
    """Number the commands, so that each is known again."""
    numbered = [line.replace("/approve", f"/deny {number}") for number, line in enumerate(lines)]
    found = {int(command.rest) for command in commands_in("\n".join(numbered)) if command.rest.isdigit()}
    assert found <= shown_lines("\n".join(numbered))


@examine
@given(st.text(alphabet=st.sampled_from("/apprdeny \n\t`~>-<!#1."), max_size=80))
def test_no_text_breaks_the_reading(body: str) -> None:
    assert all(command.word in Word for command in commands_in(body))
