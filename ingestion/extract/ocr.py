"""Text recognition in scanned PDFs by the program tesseract. Off unless the setting OCR names `recognise`.

The pages are drawn one at a time and handed over; no page is kept. Slow: seconds a page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pypdfium2

from ingestion.extract.contract import PageWriter
from ingestion.extract.programs import run

PROGRAM = "tesseract"
DOTS_PER_INCH = 300  # what the program is made for
MAX_SIDE = 6_000  # dots; a larger page is drawn smaller
_POINTS_PER_INCH = 72


def recognise(path: Path, out: PageWriter) -> None:
    """Write the text that is seen on the pages of the PDF at `path`.

    Raises ProgramFailed when the program does not work. Languages and the number of pages are limits:
    `ocr_languages`, `max_ocr_pages`.
    """
    document = pypdfium2.PdfDocument(path)
    try:
        most = out.limits.max_ocr_pages
        for index in out.expect_pages(len(document)):
            if index >= most:
                out.warn("pages_not_recognised", f"text was recognised on the first {most:,} pages (max_ocr_pages)")
                break
            out.line(_seen(_picture(document, index), out.limits.ocr_languages))
            out.end_page()
            if out.full:
                break
    finally:
        document.close()


def _picture(document: Any, index: int) -> bytes:
    """One page as a PGM, the plainest format of a picture in grey."""
    page = document[index]
    try:
        scale = min(DOTS_PER_INCH / _POINTS_PER_INCH, MAX_SIDE / max(1, *page.get_size()))
        bitmap = page.render(scale=scale, grayscale=True)
    finally:
        page.close()
    try:
        data = memoryview(bitmap.buffer).cast("B")
        rows = (data[at : at + bitmap.width] for at in range(0, bitmap.height * bitmap.stride, bitmap.stride))
        return b"P5 %d %d 255\n" % (bitmap.width, bitmap.height) + b"".join(rows)
    finally:
        bitmap.close()


def _seen(picture: bytes, languages: str) -> str:
    # One thread: as many executors as processors run already.
    seen = run([PROGRAM, "stdin", "stdout", "-l", languages], given=picture, environment={"OMP_THREAD_LIMIT": "1"})
    return seen.decode(errors="replace")
