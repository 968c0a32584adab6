"""What `manage.py check` finds in the settings of ingestion before a document meets it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import InvalidStorageError, storages
from django.db import connections, router
from django.utils.module_loading import import_string

from ingestion.formats import load
from ingestion.km import get_store
from ingestion.limits import Limits, get_limits
from ingestion.models import Chunk
from ingestion.search.config import text_search_config
from ingestion.storage import ALIAS


@register("ingestion", "docqueue")  # the second is what a worker looks at before it starts
def check_settings(**_kwargs: Any) -> list[CheckMessage]:
    """The setting INGESTION, the formats that it adds, and text recognition where it is switched on."""
    try:
        limits = get_limits()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="See docs/settings.md.", id="ingestion.E001")]
    formats, problems = load(limits.formats)
    wrong = [Error(told, hint=hint, id="ingestion.E002") for told, hint in problems]
    programs = dict.fromkeys(each.extractor.program for each in formats if each.extractor.program)
    return [*wrong, *_missing(programs), *_ocr(limits), *_km()]


@register("ingestion", "docqueue")
def check_storage(**_kwargs: Any) -> list[CheckMessage]:
    """ingestion.E005: the storage of documents can not be made as the settings describe it, or a package is missing."""
    try:
        storages[ALIAS]
    except (ImproperlyConfigured, InvalidStorageError) as error:
        return [Error(str(error), hint="See docs/how-to/storage.md.", id="ingestion.E005")]
    return []


@register("ingestion", Tags.database)
def check_search_config(databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """ingestion.E004: the database has no such text search configuration. Asked by `check --database` and `migrate`."""
    alias = router.db_for_read(Chunk)
    try:
        get_limits()
    except ImproperlyConfigured:
        return []  # check_settings says so
    if alias not in (databases or ()):
        return []
    with connections[alias].cursor() as cursor:
        cursor.execute("select cfgname from pg_ts_config order by cfgname")
        known = [name for (name,) in cursor.fetchall()]
    name = text_search_config()
    if name.rpartition(".")[2] in known:
        return []
    hint = f"Give INGESTION_SEARCH_CONFIG one of {', '.join(known)}."
    return [Error(f"The database has no text search configuration {name!r}.", hint=hint, id="ingestion.E004")]


def _missing(programs: Iterable[str]) -> list[CheckMessage]:
    """What is called here and not there. A warning: all other documents can be read without it."""
    return [
        checks.Warning(
            f"The program {program}, which reads documents as INGESTION asks for it, is not installed: they will fail.",
            hint="Install it, or take out what needs it: FORMATS, OCR (docs/how-to/add-a-format.md).",
            id="ingestion.W001",
        )
        for program in programs
        if shutil.which(program) is None
    ]


def _ocr(limits: Limits) -> list[CheckMessage]:
    if not limits.ocr:
        return []
    try:
        import_string(limits.ocr)
    except ImportError as error:
        hint = "Name a function(path, out), such as 'ingestion.extract.ocr.recognise'; or leave OCR empty."
        return [Error(f"INGESTION['OCR'] can not be loaded: {error}", hint=hint, id="ingestion.E003")]
    return _missing(["tesseract"] if limits.ocr == "ingestion.extract.ocr.recognise" else [])


def _km() -> list[CheckMessage]:
    """Whether the knowledge store can be made. It is not asked whether it is well: work waits where it is not."""
    if hasattr(settings, "INGESTION_KM"):
        told = "INGESTION_KM is no setting of its own any more, and has no effect."
        return [Error(told, hint="Make it the key KM of INGESTION.", id="ingestion.E005")]
    try:
        get_store()
    except (ImportError, ImproperlyConfigured) as error:
        hint = "See docs/how-to/knowledge-store.md."
        return [
            Error(f"The knowledge store of INGESTION['KM'] can not be used: {error}", hint=hint, id="ingestion.E005")
        ]
    return []
