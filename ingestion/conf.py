"""The settings of ingestion as one table: the environment, .env.example and docs/settings.md are made from it."""

from __future__ import annotations

from dataclasses import fields

from docqueue.conf import SettingField
from ingestion.limits import Limits

FIELDS: tuple[SettingField, ...] = tuple(
    SettingField(spec.name.upper(), type(spec.default), spec.default, spec.metadata["doc"]) for spec in fields(Limits)
)
"""Keys of the setting INGESTION (and, behind INGESTION_, environment names): every one is a limit."""
