"""The JSON Schema of `.orch.yml`, for editors: generated, so that it says what the code does."""

import json
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
