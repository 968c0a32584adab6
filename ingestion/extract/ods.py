"""OpenDocument spreadsheets: one page a sheet, one line a row, values as they are displayed, headers and footers below.

The format says how often a cell or row is repeated, which makes a sheet of any size out of a few bytes. Empty ones cost
nothing here, and what filled ones add is bounded for the whole document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ingestion.extract.contract import Extractor, PageWriter
from ingestion.extract.odf import OFFICE, STYLE, TABLE, OdfTarget, count_in, open_document, read_content
from ingestion.extract.odf_pages import around_pages

MAX_REPEATED_CHARACTERS = 2_000_000
_SEPARATOR = " | "
# Where a program did not write the text that is displayed, the value itself.
_VALUES = tuple(OFFICE + name for name in ("string-value", "date-value", "time-value", "boolean-value", "value"))
_CELLS = ("table:table-cell", "table:covered-table-cell")


def read(path: Path, out: PageWriter) -> None:
    """Write each sheet that has cells with text as a page that begins with the sheet's name."""
    container = open_document(path, out)
    read_content(container, _SheetsTarget(out, around_pages(container, fields=False)), out)


class _SheetsTarget(OdfTarget):
    """Writes rows as they are finished."""

    kind = "spreadsheet"
    body = "office:spreadsheet"

    def __init__(self, out: PageWriter, around: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self._out = out
        self._around = around  # headers and footers by the kind of page
        self._kinds: dict[str, str] = {}  # of page, by the style of the sheet
        self._kind = ""
        self._has_text = False
        self._tables = 0  # open ones: a cell can hold a table
        self._name = ""  # of the sheet, until it is written
        self._cells: list[tuple[int, str]] = []  # of each open one: how often it is there, and its value
        self._empty = 0  # cells since the last filled one of the row
        self._times = 1  # that the row is there
        self._left = MAX_REPEATED_CHARACTERS

    def begin(self, name: str, attrib: dict[str, str]) -> None:
        if name in _CELLS:
            value = next((attrib[key] for key in _VALUES if key in attrib), "")
            self._cells.append((count_in(attrib, TABLE + "number-columns-repeated"), value))
        elif name == "table:table":
            if not self._tables:
                self._name = attrib.get(TABLE + "name", "")
                self._kind = self._kinds.get(attrib.get(TABLE + "style-name", ""), "")
                self._has_text = False
            self._tables += 1
        elif name == "table:table-row" and self._tables == 1:
            self._times = count_in(attrib, TABLE + "number-rows-repeated")
            self._empty = 0
        elif name == "style:style" and attrib.get(STYLE + "family") == "table":
            self._kinds[attrib.get(STYLE + "name", "")] = attrib.get(STYLE + "master-page-name", "")

    def finish(self, name: str) -> None:
        if name == "table:table":
            self._tables -= 1
            if not self._tables:
                self.put_notes()
                for text in self._around.get(self._kind, ()) if self._has_text else ():
                    self._out.line(text)
                self._out.end_page()

    def end_cell(self, text: str) -> None:
        times, value = self._cells.pop()
        text = text or " ".join(value.split())
        if self._tables > 1 or not self._rows:
            super().end_cell(text)
        elif not text:
            self._empty += times
        else:
            row = self._rows[-1]
            if row and self._empty:
                row += [""] * self._copies("", self._empty)
            self._empty = 0
            row += [text] * self._copies(text, times)

    def end_row(self, cells: list[str]) -> None:
        if self._tables > 1:
            super().end_row(cells)
        elif cells:
            line = _SEPARATOR.join(cells)
            for _ in range(self._copies(line, self._times)):
                self.put_line(line)
                if self._out.full:
                    break
        self.put_notes()

    def put_line(self, line: str) -> None:
        if not self._tables or not line.strip():
            return  # what stands outside of sheets is hints for those who fill in cells
        if self._name:
            self._out.line(self._name)
            self._name = ""
        self._has_text = True
        self._out.line(line)

    def _copies(self, text: str, times: int) -> int:
        """How many of so many to write: one in any case, the others as far as the document has not had its share."""
        size = len(text) + len(_SEPARATOR)
        copies = min(times, 1 + self._left // size)
        self._left -= (copies - 1) * size
        if copies < times:
            self._out.warn("repeats_left_out", "cells or rows that repeat the one before were left out, as too many")
        return copies


EXTRACTOR = Extractor(name="ods", version=2, read=read)
