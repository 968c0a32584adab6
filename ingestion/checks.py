"""What `manage.py check` finds in the settings of ingestion before a document meets it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
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
    formats, problems = load(limits.formats)
    wrong = [Error(told, hint=hint, id="ingestion.E002") for told, hint in problems]
    programs = dict.fromkeys(each.extractor.program for each in formats if each.extractor.program)
    return [*wrong, *_missing(programs), *_ocr(limits)]


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
