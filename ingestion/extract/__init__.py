"""Text from documents: `extract(path, detected_type)` gives clean text page by page, or says why there is none.

One file a format; `registry.py` lists them. Parsers read what strangers send: run them where a crash, a leak or an
endless loop hurts nobody else.
"""

from __future__ import annotations

from ingestion.extract.clean import clean_text
from ingestion.extract.contract import Attachment, Extraction, Extractor, NoText, Page, PageWriter, TextStatus
from ingestion.extract.registry import extract, extractor_for, preload, supported_types

__all__ = [
    "Attachment",
    "Extraction",
    "Extractor",
    "NoText",
    "Page",
    "PageWriter",
    "TextStatus",
    "clean_text",
    "extract",
    "extractor_for",
    "preload",
    "supported_types",
]
