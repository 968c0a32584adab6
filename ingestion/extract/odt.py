"""OpenDocument texts: paragraphs in reading order, with the pages that the word processor noted.

LibreOffice notes where its last rendering broke pages only when asked to; the breaks that an author set, in styles of
the text itself, count as well. A document with neither is one page here.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from ingestion.extract.contract import Extractor, PageWriter
from ingestion.extract.odf import FO, STYLE, TABLE, TEXT, OdfTarget, open_document, read_content
from ingestion.extract.odf_pages import around_pages

_BREAK = "\x01"  # a mark within a paragraph's text; XML can not hold the character
_FAMILIES = {"text:p": ("paragraph", TEXT), "text:h": ("paragraph", TEXT), "table:table": ("table", TABLE)}


def read(path: Path, out: PageWriter) -> None:
    """Write the text page by page, notes and comments below their paragraph, headers and footers at the end."""
    container = open_document(path, out)
    read_content(container, _BodyTarget(out), out)
    if not out.full:
        for text in dict.fromkeys(chain.from_iterable(around_pages(container).values())):
            out.line(text)


class _BodyTarget(OdfTarget):
    """Writes lines to their pages as they are finished."""

    kind = "text"
    body = "office:text"

    def __init__(self, out: PageWriter) -> None:
        super().__init__()
        self._out = out
        self._page_begun = False
        self._style = ("", "")  # the one being defined
        self._before: set[tuple[str, str]] = set()  # styles that begin a page
        self._after: set[tuple[str, str]] = set()  # and those that end one
        self._ends_page = False

    def begin(self, name: str, attrib: dict[str, str]) -> None:
        if name == "text:soft-page-break":
            self.add(_BREAK)
        elif name in _FAMILIES and self.at_top:
            family, namespace = _FAMILIES[name]
            style = family, attrib.get(namespace + "style-name", "")
            if style in self._before:
                self._end_page()
            self._ends_page = style in self._after
        elif name == "style:style":
            self._style = attrib.get(STYLE + "family", ""), attrib.get(STYLE + "name", "")
            if attrib.get(STYLE + "master-page-name"):
                self._before.add(self._style)
        elif name in ("style:paragraph-properties", "style:table-properties"):
            if attrib.get(FO + "break-before") == "page":
                self._before.add(self._style)
            if attrib.get(FO + "break-after") == "page":
                self._after.add(self._style)

    def finish(self, name: str) -> None:
        if name in _FAMILIES and self.at_top and self._ends_page:
            self._ends_page = False
            self._end_page()

    def put_line(self, line: str) -> None:
        first, *others = line.split(_BREAK)
        if first.strip() or not others:
            self._put(first)
        for piece in others:
            self._end_page()
            if piece.strip():
                self._put(piece)

    def _put(self, line: str) -> None:
        self._out.line(line)
        self._page_begun = True

    def _end_page(self) -> None:
        """The same break may be noted twice, as the author's and as the program's."""
        if self._page_begun:
            self._out.end_page()
            self._page_begun = False


EXTRACTOR = Extractor(name="odt", version=2, read=read)
