"""The table of commands in the README is the one that is registered with them."""

from pathlib import Path

from app.domain.commands import readme_table

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_lists_exactly_the_commands() -> None:
    told = README.read_text().split("<!-- commands -->\n")[1].split("\n<!-- /commands -->")[0]
    assert told == readme_table().rstrip()
