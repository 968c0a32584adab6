"""PDF, by PDFium: text page by page, and an honest word where pages have none."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from ingestion.errors import CorruptFile, PasswordRequired
from ingestion.extract.contract import Extractor, NoText, PageWriter
from ingestion.extract.pdf_spacing import without_letter_spacing

PAGES_LOOKED_AT = 20  # of those without text, to tell a scan from an empty page
NAMED_PAGES = 20
# PDFium writes U+FFFE for the hyphen of a word divided at a line's end: the word is put together again.
_DIVIDED = re.compile("\ufffe[\r\n]*")
_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}  # letters joined by the font
)


def read(path: Path, out: PageWriter) -> None:
    """Write the text of every page. A page that can not be read is left out with a warning, unless all are so."""
    document = _opened(path)
    try:
        out.title(_title(document))
        without_text: list[int] = []
        unreadable: list[int] = []
        reasons: set[NoText] = set()
        pages = out.expect_pages(len(document))
        for index in pages:
            try:
                text, reason = _read_page(document, index, explain=len(without_text) < PAGES_LOOKED_AT)
            except pypdfium2.PdfiumError:
                unreadable.append(index + 1)
                out.end_page()
                continue
            if not text:
                without_text.append(index + 1)
                reasons.add(reason)
            out.line(text)
            out.end_page()
            if out.full:
                break
        if len(unreadable) == len(pages):
            raise CorruptFile("The file is damaged: none of its pages can be read.")
        _warn(out, document, unreadable, without_text, len(pages))
        out.no_text_because(next((each for each in (NoText.SCAN, NoText.DRAWING) if each in reasons), NoText.EMPTY))
    finally:
        document.close()


def _read_page(document: Any, index: int, *, explain: bool) -> tuple[str, NoText]:
    """The text of a page and, where there is none and `explain` is set, why."""
    page = document[index]
    try:
        text = page_text(page).strip()
        return text, _why_empty(page) if explain and not text else NoText.EMPTY
    finally:
        page.close()


def page_text(page: Any) -> str:
    """The text of one page, with words divided at line ends put together."""
    textpage = page.get_textpage()
    try:
        text: str = textpage.get_text_range()
        if len(text) == textpage.count_chars():  # else places in the text are not those on the page
            text = without_letter_spacing(text, textpage.get_charbox)
    finally:
        textpage.close()
    return _DIVIDED.sub("", text).translate(_LIGATURES)


def _opened(path: Path) -> Any:
    with path.open("rb"):
        pass  # a file that is not there is the storage's fault, and an OSError
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise PasswordRequired from error
        if error.err_code == pdfium.FPDF_ERR_SECURITY:
            raise PasswordRequired("The file is protected in a way that can not be opened here.") from error
        raise CorruptFile("The file is damaged or incomplete: it can not be opened as a PDF.") from error
    if len(document) == 0:
        document.close()
        raise CorruptFile("The file is damaged: it has no pages.")
    return document


def _title(document: Any) -> str:
    """The title that the file states. Half a character in it (a lone surrogate) costs that character, not the file."""
    length = pdfium.FPDF_GetMetaText(document, b"Title", None, 0)
    buffer = ctypes.create_string_buffer(length)
    pdfium.FPDF_GetMetaText(document, b"Title", buffer, length)
    return buffer.raw.decode("utf-16-le", "ignore").rstrip("\0")


def _why_empty(page: Any) -> NoText:
    kinds = {item.type for item in page.get_objects(max_depth=3)}
    if pdfium.FPDF_PAGEOBJ_IMAGE in kinds:
        return NoText.SCAN
    return NoText.DRAWING if kinds - {pdfium.FPDF_PAGEOBJ_TEXT} else NoText.EMPTY


def _warn(out: PageWriter, document: Any, unreadable: list[int], without_text: list[int], count: int) -> None:
    if unreadable:
        out.warn("pages_unreadable", f"pages that are damaged and were left out: {_listed(unreadable)}")
    if without_text and len(without_text) + len(unreadable) < count:
        out.warn("pages_without_text", f"pages without a text layer, perhaps scans: {_listed(without_text)}")
    attachments = document.count_attachments()
    if attachments > 0:
        out.warn("attachments_not_read", f"files attached inside the PDF that were not read: {attachments}")


def _listed(numbers: list[int]) -> str:
    more = f" and {len(numbers) - NAMED_PAGES} more" if len(numbers) > NAMED_PAGES else ""
    return ", ".join(map(str, numbers[:NAMED_PAGES])) + more


def _read_slowly(path: Path, out: PageWriter) -> None:
    from ingestion.extract import pdf_slow  # takes a while to import, and is needed hardly ever

    pdf_slow.read(path, out)


EXTRACTOR = Extractor(name="pdf", version=2, read=read, fallback=_read_slowly)
