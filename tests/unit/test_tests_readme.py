"""tests/README.md names every invariant that has a test, and says which have none."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
INVARIANTS = range(1, 13)


def test_every_invariant_has_a_test_or_is_called_not_yet_reached() -> None:
    sources = "\n".join(path.read_text() for path in TESTS.rglob("test_*.py"))
    tested = {int(number) for number in re.findall(r"def test_i(\d+)_", sources)}
    readme = (TESTS / "README.md").read_text()
    listed = {int(number) for number in re.findall(r"^\| (\d+) \|", readme, re.MULTILINE)}
    missing = {int(number) for number in re.findall(r"^Not yet reached: (\d+)", readme, re.MULTILINE)}
    assert listed == tested
    assert tested | missing == set(INVARIANTS)


def test_every_file_the_table_names_exists() -> None:
    named = re.findall(r"`((?:unit|integration|e2e)/\S+)`", (TESTS / "README.md").read_text())
    assert [name for name in named if not list(TESTS.glob(name))] == []
