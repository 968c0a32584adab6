"""Excel workbooks (OOXML): one page a sheet, one line a row, below them what is drawn on the sheet.

python-calamine reads twenty times faster than openpyxl, but it keeps a sheet as one full rectangle: two cells in
opposite corners would end the process. So the sheets' extents are looked at first, and a workbook with a sheet too
wide and long for that is read by openpyxl, cell by cell. So is a sheet that calamine does not understand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Self

import openpyxl
import python_calamine

from ingestion.errors import CorruptFile
from ingestion.extract.container import Container
from ingestion.extract.contract import Extractor, PageWriter
from ingestion.extract.relations import document_title, main_part, relations_of
from ingestion.extract.sheets import write_sheet
from ingestion.extract.xlsx_drawings import Sheets

MAX_COLUMNS = 16_384
_MAIN = "xl/workbook.xml"
_READ = {"worksheet", "sharedStrings", "styles", "theme"}
# As calamine sees them: raw bytes, whatever the element. A match too many only costs speed.
_REFERENCE = re.compile(rb"""\br\s*=\s*["']([A-Za-z]{1,8})?(\d{1,12})["']""")
_CELL = re.compile(rb"<(?:\w+:)?c[\s/>]")
_UNDIVIDED = 1 << 20  # no cell holds so much text


def read(path: Path, out: PageWriter) -> None:
    """Write each sheet that has text, in cells or drawn, as a page that begins with the sheet's name."""
    _read(path, out, only_sparsely=False)


def read_sparsely(path: Path, out: PageWriter) -> None:
    """The same without calamine."""
    _read(path, out, only_sparsely=True)


def _read(path: Path, out: PageWriter, *, only_sparsely: bool) -> None:
    container = Container(path, out.limits)
    sparse = _checked(container, out) or only_sparsely
    out.title(document_title(container))
    sheets = Sheets(container, main_part(container) or _MAIN)
    with _Workbook(path, sparse) as workbook:
        with_cells = workbook.sheet_names()
        for name in dict.fromkeys([*sheets.names, *with_cells]):
            rows = workbook.rows(name) if name in with_cells else ()
            write_sheet(name, rows, out, partial(sheets.draw, name, stop=lambda: out.full))
            if out.full:
                break


class _Workbook:
    """A workbook open in calamine, or in openpyxl where it has to be."""

    def __init__(self, path: Path, sparse: bool) -> None:
        self._path = path
        self._dense = None if sparse else self._in_calamine()
        self._slow: openpyxl.Workbook | None = None
        self._stream: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._dense is not None:
            self._dense.close()
        if self._slow is not None:
            self._slow.close()
        if self._stream is not None:
            self._stream.close()

    def sheet_names(self) -> list[str]:
        """The sheets that have cells, hidden ones too, in their order."""
        if self._dense is None:
            return [sheet.title for sheet in self._in_openpyxl().worksheets]
        cells = python_calamine.SheetTypeEnum.WorkSheet
        return [sheet.name for sheet in self._dense.sheets_metadata if sheet.typ == cells]

    def rows(self, name: str) -> Iterator[Sequence[object]]:
        """The rows of one sheet, from the first that has something."""
        if self._dense is not None:
            try:
                return iter(self._dense.get_sheet_by_name(name).iter_rows())
            except python_calamine.CalamineError:
                pass  # openpyxl reads some that it does not, and raises what is wrong with the others
        sheet = self._in_openpyxl()[name]
        sheet.reset_dimensions()  # what the sheet says of its own size is not always true
        rows: Iterable[Sequence[object]] = sheet.iter_rows(values_only=True)
        return iter(rows)

    def _in_calamine(self) -> python_calamine.CalamineWorkbook | None:
        try:
            return python_calamine.CalamineWorkbook.from_path(self._path)
        except python_calamine.CalamineError:
            return None

    def _in_openpyxl(self) -> openpyxl.Workbook:
        if self._slow is None:
            self._stream = self._path.open("rb")  # by its path it would judge a file by its name
            self._slow = openpyxl.load_workbook(self._stream, read_only=True, data_only=True, keep_links=False)
        return self._slow


class _Extent:
    """How large the rectangle around a sheet's cells may be, from the bytes of its part."""

    def __init__(self) -> None:
        self._rows = self._columns = 1
        self._cells = self._references = 0
        self._rest = b""
        self._strange = False
        self._last_row = 0
        self.ordered = True  # no row comes after one with a higher number

    def look(self, block: bytes) -> None:
        """Take in the next bytes."""
        data = self._rest + block
        end = data.rfind(b">") + 1
        self._rest = data[end:]
        if len(self._rest) > _UNDIVIDED:
            self._strange, self._rest = True, b""
        for match in _REFERENCE.finditer(data, 0, end):
            row = int(match[2])
            self.ordered = self.ordered and row >= self._last_row
            self._last_row = row
            self._rows = max(self._rows, row)
            if match[1]:
                self._references += 1
                self._columns = max(self._columns, _column(match[1]))
        self._cells += sum(1 for _ in _CELL.finditer(data, 0, end))

    @property
    def cells(self) -> int:
        """The rectangle's cells, or more."""
        if self._strange:
            return sys.maxsize
        columns = self._columns
        if self._cells > self._references:  # cells that do not say where they are follow one another
            columns = max(columns, min(MAX_COLUMNS, self._cells - self._references))
        return self._rows * columns


def _checked(container: Container, out: PageWriter) -> bool:
    """Check all parts that will be read; returns whether a sheet is too large to be kept as a rectangle."""
    main = main_part(container) or _MAIN
    if main not in container:
        raise CorruptFile("The file is damaged: the workbook inside of it is missing.")
    relations = relations_of(container, main)
    if not any(relation.kind == "worksheet" for relation in relations):
        raise CorruptFile("The file is not an Excel workbook with sheets, though it is an office file.")
    parts = {relation.target for relation in relations if relation.kind in _READ}
    parts |= {name for name in container.names() if name.lower().startswith("xl/worksheets/sheet")}
    parts |= {name for name in ("[Content_Types].xml", main) if name in container}
    extents = [_Extent() for _ in parts]
    for name, extent in zip(sorted(parts), extents, strict=True):
        container.check(name, extent.look)
    sparse = any(extent.cells > out.limits.max_dense_cells for extent in extents)
    if sparse and not all(extent.ordered for extent in extents):
        out.warn("rows_out_of_order", "a sheet's rows are not in order; those that come too late were left out")
    return sparse


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


EXTRACTOR = Extractor(name="xlsx", version=2, read=read, fallback=read_sparsely)
