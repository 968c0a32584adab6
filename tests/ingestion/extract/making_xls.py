"""Small Excel workbooks of before 2007, made record by record, so that a test can put anything into one."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from ingestion.extract.ole import new_container

Cell = tuple[int, int, str | float]
BEGIN, END, LOCKED, SHEET, DIMENSIONS, FORMULA = 0x0809, 0x000A, 0x002F, 0x0085, 0x0200, 0x0006
BIFF8 = 0x0600


def record(kind: int, data: bytes = b"") -> bytes:
    """One record."""
    return struct.pack("<HH", kind, len(data)) + data


def begin(substream: int) -> bytes:
    """The record that begins the workbook (5) or a sheet (16)."""
    return record(BEGIN, struct.pack("<HHHHLL", BIFF8, substream, 0, 0, 0, 0))


def cell(row: int, column: int, value: str | float) -> bytes:
    """The record of one cell."""
    place = struct.pack("<HHH", row, column, 0)
    if isinstance(value, str):
        text = value.encode("utf-16-le")
        return record(0x0204, place + struct.pack("<HB", len(value), 1) + text)
    return record(0x0203, place + struct.pack("<d", value))


def sheet(cells: Sequence[Cell], extra: bytes = b"") -> bytes:
    """The records of one sheet."""
    return begin(16) + extra + b"".join(cell(*each) for each in cells) + record(END)


def workbook(sheets: Mapping[str, bytes], extra: bytes = b"") -> bytes:
    """The stream of a workbook with these sheets; `extra` are records about the whole."""
    names = [name.encode("utf-16-le") for name in sheets]
    length = len(begin(5)) + len(extra) + sum(len(name) + 12 for name in names) + len(record(END))
    head = b""
    for name, records in zip(names, sheets.values(), strict=True):
        head += record(SHEET, struct.pack("<LBBBB", length, 0, 0, len(name) // 2, 1) + name)
        length += len(records)
    return begin(5) + extra + head + record(END) + b"".join(sheets.values())


def xls_of(sheets: Mapping[str, Sequence[Cell]], extra: bytes = b"") -> bytes:
    """A workbook with these cells in its sheets."""
    return new_container("Workbook", workbook({name: sheet(cells) for name, cells in sheets.items()}, extra))
