"""What `manage.py check` finds in the settings of ingestion before a document meets it."""

from __future__ import annotations

import shutil
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from ingestion.formats import load
from ingestion.limits import Limits, get_limits


@register("ingestion", "docqueue")  # the second is what a worker looks at before it starts
def check_settings(**_kwargs: Any) -> list[CheckMessage]:
    """The setting INGESTION, the formats that it adds, and text recognition where it is switched on."""
    try:
        limits = get_limits()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="ingestion.E001")]
    formats = [Error(told, hint=hint, id="ingestion.E002") for told, hint in load(limits.formats)[1]]
    return [*formats, *_ocr(limits)]


def _ocr(limits: Limits) -> list[CheckMessage]:
    if not limits.ocr:
        return []
    try:
        import_string(limits.ocr)
    except ImportError as error:
        hint = "Name a function(path, out), such as 'ingestion.extract.ocr.recognise'; or leave OCR empty."
        return [Error(f"INGESTION['OCR'] can not be loaded: {error}", hint=hint, id="ingestion.E003")]
    if limits.ocr == "ingestion.extract.ocr.recognise" and shutil.which("tesseract") is None:
        told = "Text recognition is switched on, but the program tesseract is not installed: scanned PDFs fail."
        hint = "Install it (Debian: apt install tesseract-ocr), or leave INGESTION['OCR'] empty."
        return [checks.Warning(told, hint=hint, id="ingestion.W001")]
    return []
