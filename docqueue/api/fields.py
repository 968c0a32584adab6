"""What requests are made of: shapes for the OpenAPI document, whose values the service judges."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from docqueue import validation
from docqueue.rules import MOST_PARENTS, MOST_SLOTS

KEY_SCHEMA = {"type": "string", "minLength": 1, "maxLength": validation.KEY_MAX_LENGTH}


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields it does not know: a misspelt option must not be taken for one that was left out."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            wrong = {key: [self._unknown(str(key))] for key in data if key not in self.fields}
            if wrong:
                raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)

    def _unknown(self, key: str) -> ErrorDetail:
        close = difflib.get_close_matches(key, self.fields, n=1)
        text = "There is no such field." + (f" Did you mean {close[0]}?" if close else "")
        return ErrorDetail(text, code="unknown_field")


class RawField(serializers.Field[Any, Any, Any, Any]):
    """A JSON value as it came; the service judges it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_null=True, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        return data

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": ["string", "integer"], "maxLength": 255})
class DocumentIdField(RawField):
    """A string or a whole number."""


@extend_schema_field(
    {
        "type": ["integer", "string"],
        "minimum": -100,
        "maximum": 100,
        "pattern": f"^({'|'.join(validation.PRIORITIES)})$",
    }
)
class PriorityField(RawField):
    """-100 … 100, or a word."""


@extend_schema_field(KEY_SCHEMA)
class KeyField(RawField):
    """A non-empty string of at most 255 characters."""


@extend_schema_field({"type": "string", "minLength": 1, "maxLength": validation.QUEUE_MAX_LENGTH})
class QueueField(RawField):
    """The name of a queue."""


@extend_schema_field({"type": "object", "additionalProperties": True})
class ObjectField(RawField):
    """A JSON object."""


@extend_schema_field({"type": "string", "format": "date-time"})
class MomentField(RawField):
    """A time with its zone, as ISO 8601."""


@extend_schema_field({"type": "number", "minimum": 0})
class SecondsField(RawField):
    """A duration."""


@extend_schema_field({"type": "integer", "minimum": 1})
class WholeField(RawField):
    """A whole number from 1."""


@extend_schema_field({"type": "integer", "minimum": 1, "maximum": MOST_SLOTS})
class SlotsField(RawField):
    """How many run at once."""


@extend_schema_field({"type": "array", "items": {"type": "integer"}, "maxItems": MOST_PARENTS})
class ParentsField(RawField):
    """Ids of items."""


@extend_schema_field({"type": ["number", "string"], "minimum": 0, "pattern": f"^({'|'.join(validation.LIFETIMES)})$"})
class LifetimeField(RawField):
    """A duration, or until when."""
