"""Excel workbooks of before 2007: one page a sheet, one line a row, below them its text boxes and comments.

calamine trusts the container and the records it finds. So the workbook is taken out of the container first, its
records are looked through, what holds no value of a cell is blanked, and calamine gets what is left in a new
container: the bytes that were checked and no others.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import python_calamine

from ingestion.errors import ContentTooLarge, CorruptFile, PasswordRequired, UnsupportedFile
from ingestion.extract.contract import Extractor, PageWriter
from ingestion.extract.ole import document_title, new_container
from ingestion.extract.sheets import write_sheet
from ingestion.sniffing.compound import MAGIC, BrokenOleError, OleFile

_BEGIN, _END, _LOCKED, _SHEET, _CONTINUED = 0x0809, 0x000A, 0x002F, 0x0085, 0x003C
_BOX, _BOX_LENGTH = 0x01B6, 12  # and how much of it tells the length of its text
_FORMULA, _FORMULA_TEXT, _MANY_NUMBERS = 0x0006, 0x0207, 0x00BD
# Code page, dates, formats, sheets, strings: what the values of cells can not be read without.
_KEPT_OF_WORKBOOK = {_BEGIN, _END, _SHEET, _CONTINUED, 0x0042, 0x0022, 0x041E, 0x00E0, 0x00FC}
_CELLS = {_FORMULA, _MANY_NUMBERS, 0x0203, 0x0204, 0x0205, 0x027E, 0x00FD, 0x00D6}
_KEPT_OF_SHEET = {_BEGIN, _END, _CONTINUED, _FORMULA_TEXT} | _CELLS
_BLANK = 0x0000  # calamine does not look at such records
_TOO_OLD = "Excel workbooks of before Excel 5 (1993) can not be read."
_SAVE_ANEW = "Open it in Excel or LibreOffice, save it as .xlsx and upload that."


def read(path: Path, out: PageWriter) -> None:
    """Write each sheet that has text, in cells or boxes, as a page that begins with the sheet's name."""
    records = _workbook(path, out)
    boxes = _checked(records, out)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(new_container("Workbook", records)))
    except python_calamine.PasswordError as error:
        raise PasswordRequired from error
    with book:
        for index, sheet in enumerate(book.sheets_metadata):
            has_cells = sheet.typ == python_calamine.SheetTypeEnum.WorkSheet
            rows = book.get_sheet_by_name(sheet.name).iter_rows() if has_cells else ()
            write_sheet(sheet.name, rows, out, partial(_draw, boxes.get(index, [])))
            if out.full:
                break


def _draw(texts: list[str], put: Callable[[str], None]) -> None:
    for text in texts:
        put(text)


def _workbook(path: Path, out: PageWriter) -> bytearray:
    """The stream with the records of the workbook."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise UnsupportedFile(_TOO_OLD, hint=_SAVE_ANEW)
        try:
            ole = OleFile(file)
            name = next((name for name in ("workbook", "book") if name in ole.streams), None)
            if name is None:
                raise CorruptFile("The file is not an Excel workbook, though it is an office file.")
            if ole.streams[name].size > out.limits.max_content_bytes:
                raise ContentTooLarge("The workbook is larger than the limit max_content_bytes allows.")
            out.title(document_title(ole))
            return bytearray(ole.read(name))
        except BrokenOleError as error:
            raise CorruptFile(f"The file is damaged: {error}.") from error


def _checked(stream: bytearray, out: PageWriter) -> dict[int, list[str]]:
    """Blank all records that are not needed; raises what keeps the others from being read.

    Returns what stands in text boxes and comments, by the number of the sheet.
    """
    starts: list[int] = []
    for at, kind, length in _records(stream, 0, len(stream)):
        if kind == _LOCKED:
            raise PasswordRequired
        if kind == _SHEET and length >= 4:
            starts.append(*struct.unpack_from("<L", stream, at + 4))
        elif kind not in _KEPT_OF_WORKBOOK:
            _blank(stream, at)
        if kind == _END:
            break
    order = sorted(range(len(starts)), key=starts.__getitem__)
    starts.sort()
    padding = 0
    boxes: dict[int, list[str]] = {}
    for index, start, following in zip(order, starts, [*starts[1:], len(stream)], strict=True):
        if start >= following:  # several names for one sheet: each would be kept in memory
            raise CorruptFile("The file is damaged: its sheets overlap.")
        boxes[index] = list(_boxes(stream, start, following))
        padding += _padding(stream, start, following)
        if padding > out.limits.max_dense_cells:
            raise ContentTooLarge(
                "Some cells of a sheet lie further apart than the limit max_dense_cells allows.", hint=_SAVE_ANEW
            )
    return boxes


def _boxes(stream: bytearray, start: int, end: int) -> Iterator[str]:
    """The texts of a sheet's boxes and comments: each continues in the records behind the one that announces it."""
    depth = left = 0
    text = ""
    for at, kind, length in _records(stream, start, end):
        depth += (kind == _BEGIN) - (kind == _END)
        if kind == _END and not depth:
            return
        if kind == _BOX and length >= _BOX_LENGTH:
            (left,), text = struct.unpack_from("<H", stream, at + 14), ""
        elif kind != _CONTINUED:
            left = 0  # whatever was announced does not come
        elif left and length:
            wide = stream[at + 4] & 1
            data = stream[at + 5 : at + 4 + length]
            text += (data.decode("utf-16-le", "replace") if wide else data.decode("latin-1"))[:left]
            left -= min(left, (length - 1) // 2 if wide else length - 1)
            if not left:
                yield text.replace("\r", "\n")


def _padding(stream: bytearray, start: int, end: int) -> int:
    """How many empty cells calamine will add to a sheet to make it a rectangle; blanks the rest on the way."""
    depth = cells = 0
    top = left = 0x10000
    bottom = right = -1
    for at, kind, length in _records(stream, start, end):
        depth += (kind == _BEGIN) - (kind == _END)
        if kind not in _KEPT_OF_SHEET or depth > 1 or (kind == _END and depth):  # deeper: a chart, not this sheet
            _blank(stream, at)
        elif kind in _CELLS:
            if length < 4:
                raise CorruptFile("The file is damaged: a cell in it is incomplete.")
            row, first = struct.unpack_from("<HH", stream, at + 4)
            last = first
            if kind == _MANY_NUMBERS:
                (last,) = struct.unpack_from("<H", stream, at + 2 + length)
            elif kind == _FORMULA and length >= 22:
                struct.pack_into("<H", stream, at + 24, 0)  # the formula's own length: only its value is wanted
            cells += 1 + max(0, last - first)
            top, bottom = min(top, row), max(bottom, row)
            left, right = min(left, first), max(right, first, last)
        elif kind == _END:
            break
    else:
        raise CorruptFile("The file is damaged: a sheet of it does not end.")
    return max(0, (bottom - top + 1) * (right - left + 1) - cells) if cells else 0


def _records(stream: bytearray, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The place, kind and length of each record between two places."""
    at = start
    while at + 4 <= end:
        kind, length = struct.unpack_from("<HH", stream, at)
        if at + 4 + length > end:
            raise CorruptFile("The file is damaged: a record of it is cut off.")
        yield at, kind, length
        at += 4 + length


def _blank(stream: bytearray, at: int) -> None:
    struct.pack_into("<H", stream, at, _BLANK)


EXTRACTOR = Extractor(name="xls", version=2, read=read)
