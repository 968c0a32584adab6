"""Plain text in any common encoding. Form feeds, where a text has them, divide it into pages."""

from __future__ import annotations

from pathlib import Path

from ingestion.extract.contract import Extractor, PageWriter
from ingestion.extract.decode import read_text


def read(path: Path, out: PageWriter) -> None:
    """Write the text as it is."""
    for page in read_text(path, out).split("\f"):
        out.line(page)
        out.end_page()
        if out.full:
            break


EXTRACTOR = Extractor(name="text", version=1, read=read)
