"""Which PostgreSQL text search configuration indexing and searching use: the two must be the same."""

from __future__ import annotations

from ingestion.limits import get_limits


def text_search_config() -> str:
    """The setting SEARCH_CONFIG of ingestion. Chunks keep the one that they were indexed with until they are again."""
    return get_limits().search_config
