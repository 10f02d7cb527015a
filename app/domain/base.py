"""The base classes of every value that is stored, queued or compared."""

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Value(BaseModel):
    """Be immutable, compare by content, refuse unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")


class Kind(Value):
    """Be one of many kinds of values, told apart by `type`.

    What checks a kind is built when its first value comes: for most, that is never.
    """

    model_config = ConfigDict(defer_build=True)


class ByType:
    """Read a union of kinds by their `type`, without building what checks those that do not come."""

    def __get_pydantic_core_schema__(self, union: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        kinds: dict[str, type[Kind]] = {kind.model_fields["type"].default: kind for kind in get_args(union)}

        def read(value: Any) -> Any:
            if isinstance(value, union):
                return value
            kind = kinds.get(str(value.get("type"))) if isinstance(value, dict) else None
            if kind is None:
                raise ValueError("its `type` is none that is known")
            return kind.model_validate(value)

        return core_schema.no_info_plain_validator_function(read)
