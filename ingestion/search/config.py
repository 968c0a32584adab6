"""Which PostgreSQL text search configuration indexes and queries use: the two must be the same."""

from __future__ import annotations

from django.conf import settings

DEFAULT_CONFIG = "english"


def text_search_config() -> str:
    """The setting INGESTION_SEARCH_CONFIG, a name from pg_ts_config; 'english' where it is not set."""
    return str(getattr(settings, "INGESTION_SEARCH_CONFIG", DEFAULT_CONFIG))
