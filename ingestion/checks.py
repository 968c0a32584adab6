"""System checks: wrong settings of ingestion, found by `manage.py check` before an upload meets them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router

from ingestion.limits import get_limits
from ingestion.models import Chunk
from ingestion.search.config import text_search_config


@register("ingestion")
def check_settings(**_kwargs: Any) -> list[CheckMessage]:
    """ingestion.E001: the INGESTION setting is wrong."""
    try:
        get_limits()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="See docs/settings.md.", id="ingestion.E001")]
    return []


@register("ingestion", Tags.database)
def check_search_config(databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """ingestion.E002: the database has no such text search configuration. Asked by `check --database` and `migrate`."""
    alias = router.db_for_read(Chunk)
    if check_settings() or alias not in (databases or ()):
        return []
    with connections[alias].cursor() as cursor:
        cursor.execute("select cfgname from pg_ts_config order by cfgname")
        known = [name for (name,) in cursor.fetchall()]
    name = text_search_config()
    if name.rpartition(".")[2] in known:
        return []
    hint = f"Give INGESTION_SEARCH_CONFIG one of {', '.join(known)}."
    return [Error(f"The database has no text search configuration {name!r}.", hint=hint, id="ingestion.E002")]
