"""What spreadsheets of every format have in common: one page a sheet, one line a row, cells as a person writes them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence

from ingestion.extract.contract import PageWriter

Draw = Callable[[Callable[[str], None]], None]

_EXACT = 2**53  # below this a float holds every whole number


class SheetWriter:
    """Writes a sheet as a page that begins with its name; one without text is an empty page."""

    def __init__(self, name: str, out: PageWriter) -> None:
        self._name: str | None = name
        self._out = out

    def row(self, cells: Sequence[object]) -> None:
        """Write a row; nothing where no cell has text."""
        texts = [cell_text(cell) for cell in cells]
        if any(texts):
            self.line(" | ".join(texts).strip(" |"))

    def line(self, text: str) -> None:
        """Write a line that is no row: what a drawing on the sheet says."""
        if not text.strip():
            return
        if self._name is not None:
            self._out.line(self._name)
            self._name = None
        self._out.line(text)

    def end(self) -> None:
        """Close the page."""
        self._out.end_page()


def write_sheet(name: str, rows: Iterable[Sequence[object]], out: PageWriter, draw: Draw | None = None) -> None:
    """Write a whole sheet; below its rows `draw` puts the lines of what is drawn on it."""
    sheet = SheetWriter(name, out)
    for row in rows:
        sheet.row(row)
        if out.full:
            break
    if draw is not None and not out.full:
        draw(sheet.line)
    sheet.end()


def cell_text(value: object) -> str:
    """A cell as a person would write it: whole numbers without ".0", dates without a midnight."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case float() if value.is_integer() and abs(value) < _EXACT:
            return str(int(value))
        case float():
            return format(value, ".15g")
        case dt.datetime() if value.time() == dt.time():
            return value.date().isoformat()
        case dt.datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case _:
            return " ".join(str(value).split())
