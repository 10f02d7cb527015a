import json
import re
from pathlib import Path
from textwrap import dedent

from app.config_yaml import parse_file
from app.domain.config_check import Tree, check
from app.domain.config_keys import KEYS
from app.domain.config_schema import schema_text
from app.entry.configuration import reference_of_keys, setting_of
from app.settings import KNOWN_AGENTS, ServeSettings

SCHEMA = Path(__file__).parents[2] / "schemas" / "orch.schema.json"
README = Path(__file__).parents[2] / "README.md"
MAKE = "from app.domain.config_schema import schema_text; print(schema_text(), end='')"


def test_the_schema_in_the_repository_is_the_generated_one() -> None:
    assert SCHEMA.read_text() == schema_text(), f"make it anew: .venv/bin/python -c {MAKE!r} > schemas/{SCHEMA.name}"


def test_the_schema_knows_every_key_and_no_other() -> None:
    schema = json.loads(schema_text())
    assert (tuple(schema["properties"]), schema["additionalProperties"]) == (KEYS, False)
    assert all(kind["type"] in ("string", "integer", "number", "array") for kind in schema["properties"].values())


def test_the_readme_lists_exactly_the_keys() -> None:
    """`orch config reference --keys` prints what belongs between the marks."""
    [block] = re.findall(r"<!-- keys -->\n(.*)\n<!-- /keys -->", README.read_text(), re.DOTALL)
    assert block == reference_of_keys()


def test_the_readmes_example_is_right() -> None:
    [example] = re.findall(r"<!-- /keys -->\n\n((?:    .*\n)+)", README.read_text())
    tree = parse_file(dedent(example).encode()).tree
    assert isinstance(tree, Tree)
    assert check(tree, KNOWN_AGENTS) == ()


def test_each_key_names_the_operators_setting_that_it_is_laid_over() -> None:
    assert [key for key in KEYS if setting_of(key) not in ServeSettings.model_fields] == []
