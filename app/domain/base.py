"""The one base class of every value that is stored, queued or compared."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """Be immutable, compare by content, refuse unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")
