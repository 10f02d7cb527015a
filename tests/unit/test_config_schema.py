import json
from pathlib import Path

from app.domain.config import KEYS
from app.domain.config_schema import schema_text

SCHEMA = Path(__file__).parents[2] / "schemas" / "orch.schema.json"
MAKE = "from app.domain.config_schema import schema_text; print(schema_text(), end='')"


def test_the_schema_in_the_repository_is_the_generated_one() -> None:
    assert SCHEMA.read_text() == schema_text(), f"make it anew: .venv/bin/python -c {MAKE!r} > schemas/{SCHEMA.name}"


def test_the_schema_knows_every_key_and_no_other() -> None:
    schema = json.loads(schema_text())
    assert (tuple(schema["properties"]), schema["additionalProperties"]) == (KEYS, False)
    assert all(kind["type"] in ("string", "integer") for kind in schema["properties"].values())
