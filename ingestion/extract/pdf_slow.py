"""PDF by pypdf: slower than PDFium by far, but all in Python, so it has other faults and can not crash the process."""

from __future__ import annotations

from pathlib import Path

from pypdf import PdfReader
from pypdf.errors import DependencyError

from ingestion.errors import PasswordRequired
from ingestion.extract.contract import NoText, PageWriter


def read(path: Path, out: PageWriter) -> None:
    """Write the text of every page. One that can not be read is left out with a warning."""
    with path.open("rb") as file:
        document = PdfReader(file)
        try:
            if document.is_encrypted and not document.decrypt(""):
                raise PasswordRequired
        except DependencyError as error:  # ciphers that only another package has
            raise PasswordRequired("The file is protected in a way that can not be opened here.") from error
        out.title(document.metadata.title if document.metadata else None)
        pages = out.expect_pages(len(document.pages))
        unreadable = 0
        for index in pages:
            try:
                out.line(document.pages[index].extract_text())
            except (MemoryError, OSError):
                raise
            except Exception:
                if unreadable + 1 == len(pages):
                    raise
                unreadable += 1
            out.end_page()
            if out.full:
                break
        if unreadable:
            out.warn("pages_unreadable", f"pages that are damaged and were left out: {unreadable}")
        out.no_text_because(NoText.SCAN)
