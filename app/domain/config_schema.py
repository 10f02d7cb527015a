"""What `.orch.yml` may say, for editors (JSON Schema) and for people: generated, so that it says what the code does."""

import json
from collections.abc import Mapping
from typing import Any

from app.domain.config_keys import RepoConfig


def schema_text() -> str:
    """Return the content of `schemas/orch.schema.json`."""
    fields = RepoConfig.model_json_schema()["properties"]
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Orch in one repository",
        "description": "The file .orch.yml on a repository's default branch. It can tighten what the operator set.",
        "type": "object",
        "properties": {key: _without_null(field) for key, field in fields.items()},
        "additionalProperties": False,
    }
    return json.dumps(schema, indent=2) + "\n"


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    """Leave out that a key may be null: in the file it is there with a value, or not there."""
    [kind] = [choice for choice in field["anyOf"] if choice != {"type": "null"}]
    return {"description": field["description"], **kind}


def table_text(settings: Mapping[str, str]) -> str:
    """Return the keys as a table in markdown; `settings` names the operator's setting of each."""
    rows = [f"| `{key}` | `{settings[key]}` | {field.description} |" for key, field in RepoConfig.model_fields.items()]
    return "\n".join(["| key | the operator's | meaning |", "| --- | --- | --- |", *rows])
