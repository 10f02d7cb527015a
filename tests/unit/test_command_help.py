import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app.domain.command_help import WHO, help_rows, readme_table, render_mistake
from app.domain.commands import COMMANDS, Mistake, Word, read_comment
from app.domain.powers import Power
from tests.unit.draw import examine, texts

MARKDOWN = MarkdownIt("commonmark")


def test_every_command_has_help_and_an_example_that_is_no_mistake() -> None:
    assert tuple(COMMANDS) == tuple(Word)
    for word, kind in COMMANDS.items():
        said = read_comment(kind.example or kind.shown, bot="", agents=("codex",))
        assert [command.word for command in said.commands] == [word]
        assert kind.help.endswith(".")


def test_help_says_who_may() -> None:
    rows = {row.command: row for row in help_rows({**WHO, Power.BUDGET: "`alice`", Power.MERGE: "nobody"})}
    assert rows["`/merge`"].who == "nobody"
    assert rows["`/approve [budget AMOUNT]`"].who == "people with write access; for a budget `alice`"
    assert rows["`/agent NAME [model]`"].example == "`/agent codex`"


def test_the_table_has_a_row_for_each_command() -> None:
    lines = readme_table().splitlines()
    assert len(lines) == len(Word) + 2
    assert lines[-1] == "| `/log` | Show the end of the last run's log. | people with write access | `/log` |"


def test_a_mistake_is_shown_where_it_is() -> None:
    assert render_mistake(Mistake("/retry codx it", 7, 4, "that is no agent", "codex")) == (
        "> ```\n> /retry codx it\n>        ^^^^\n> ```\n\n"
        "That is no agent. Did you mean `codex`? `/orch` lists the commands."
    )


def test_a_mistake_without_anything_near_says_why() -> None:
    assert render_mistake(Mistake("/plan", 0, 5, "later")).endswith("```\n\nLater. `/orch` lists the commands.")


@pytest.mark.parametrize(
    ("line", "shown"), [("/aprove\u202e x", r"/aprove\u202e x"), ("/aprove " + "x" * 200, "xxx\n")]
)
def test_a_long_line_is_cut_and_nothing_in_it_is_unseen(line: str, shown: str) -> None:
    text = render_mistake(Mistake(line, 0, 7, "no"))
    assert shown in text
    assert max(map(len, text.splitlines())) < 120


@examine
@given(st.one_of(texts, st.text(alphabet="`~ @a/<\n", max_size=30)), st.integers(0, 9), st.integers(1, 9))
def test_the_line_of_a_mistake_is_a_block_of_code_and_nothing_else(line: str, column: int, length: int) -> None:
    tokens = MARKDOWN.parse(render_mistake(Mistake(line, column, length, "wrong")))
    kinds = [token.type for token in tokens]
    assert kinds[:3] == ["blockquote_open", "fence", "blockquote_close"]
    assert kinds.count("paragraph_open") == 1
    assert len(tokens[1].content.splitlines()) == 2
