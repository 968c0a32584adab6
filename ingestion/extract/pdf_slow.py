"""PDF by pypdf: slower than PDFium by far, but all in Python, so it has other faults and can not crash the process."""

from __future__ import annotations

from pathlib import Path

from pypdf import PdfReader
from pypdf.errors import DependencyError, LimitReachedError

from ingestion.errors import ContentRatioExceeded, PasswordRequired
from ingestion.extract.contract import NoText, PageWriter


def read(path: Path, out: PageWriter) -> None:
    """Write the text of every page. One that can not be read is left out with a warning, unless all are so."""
    with path.open("rb") as file:
        try:
            document = PdfReader(file)
            if document.is_encrypted and not document.decrypt(""):
                raise PasswordRequired
            _write(document, out)
        except DependencyError as error:  # ciphers that only another package has
            raise PasswordRequired("The file is protected in a way that can not be opened here.") from error
        except LimitReachedError as error:
            raise ContentRatioExceeded from error


def _write(document: PdfReader, out: PageWriter) -> None:
    out.title(document.metadata.title if document.metadata else None)
    pages = out.expect_pages(len(document.pages))
    unreadable, pictures = 0, False
    for index in pages:
        try:
            page = document.pages[index]
            out.line(page.extract_text())
            pictures = pictures or "/XObject" in page.get("/Resources", {})
        except (DependencyError, LimitReachedError, MemoryError, OSError):
            raise
        except Exception:
            unreadable += 1
            if unreadable == len(pages):
                raise
        out.end_page()
        if out.full:
            break
    if unreadable:
        out.warn("pages_unreadable", f"pages that are damaged and were left out: {unreadable}")
    out.no_text_because(NoText.SCAN if pictures else NoText.EMPTY)
