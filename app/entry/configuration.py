"""What is configured and what can be: for `orch config`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from app.backend import BackendSettings
from app.domain.config_keys import KEYS
from app.domain.config_schema import table_text
from app.notify_rules import HOLDS_SECRETS
from app.redaction import Redaction
from app.settings import ServeSettings, check_settings, find_sources
from app.sources import DEFAULT_FILE, PREFIX, Sources

SECRET = "(set, not shown)"  # noqa: S105 - what is shown instead of one

OTHERWISE = {"trigger": "trigger_label", "agent": "agents", "model": "agent_options"}
"""Settings of the operator that the key of a repository's file has another name than."""
FILE = (
    f"| `{PREFIX}CONFIG_FILE` | `{DEFAULT_FILE}`, if it is there | YAML file with settings by their names in lower case"
    f" without `{PREFIX}`, as in `port: 8080`; environment and `.env` count before it |"
)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as `orch config show` lists it; `origin` is `default` or where it was given, `value` None if unset."""

    name: str
    value: str | None
    origin: str


def list_settings(config: Path | None) -> tuple[list[Setting], list[str]]:
    """Return every setting with what is given for it, secrets masked, and every problem with them."""
    sources = find_sources(config)
    checked = check_settings(ServeSettings, sources)
    problems = checked if isinstance(checked, list) else []
    return [_setting(name, field, sources) for name, field in _fields()], problems


def _fields() -> list[tuple[str, FieldInfo]]:
    """List the settings, those of the back end last: not many need them."""
    return sorted(ServeSettings.model_fields.items(), key=lambda field: field[0] in BackendSettings.model_fields)


def _setting(name: str, field: FieldInfo, sources: Sources) -> Setting:
    label, given = PREFIX + name.upper(), sources.given.get(name)
    if given is None:
        value = None if field.is_required() or field.default is None else spell(field.default)
        return Setting(label, value, "not set" if value is None else "default")
    return Setting(label, SECRET if is_secret(field) else Redaction().text(spell(given.value)), given.origin)


def is_secret(field: FieldInfo) -> bool:
    """Say whether the setting's value must never be shown."""
    return "SecretStr" in str(field.annotation) or field.json_schema_extra == HOLDS_SECRETS


def reference() -> str:
    """Return the table of all settings in markdown."""
    rows = [f"| `{PREFIX}{name.upper()}` | {_default(field)} | {field.description} |" for name, field in _fields()]
    return "\n".join(["| name | default | meaning |", "| --- | --- | --- |", *rows, FILE])


def reference_of_keys() -> str:
    """Return the table of the keys of a repository's file in markdown."""
    return table_text({key: PREFIX + setting_of(key).upper() for key in KEYS})


def setting_of(key: str) -> str:
    """Name the operator's setting that a key of a repository's file is laid over."""
    return OTHERWISE.get(key, key)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "" if field.default is None else f"`{spell(field.default)}`"


def spell(value: Any) -> str:
    """Write a value as it can be given in the environment."""
    match value:
        case bool():
            return str(value).lower()
        case list() | tuple():
            return ",".join(str(item) for item in value)
        case float():
            return f"{value:g}"
        case _:
            return str(value)
