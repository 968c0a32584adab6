"""The lines that RTF's text makes up: paragraphs, rows of tables, pages, and the text beside the body."""

from __future__ import annotations

from ingestion.extract.contract import PageWriter


class Lines:
    """Puts together what stands on one line; a row of a table is one, with its cells divided by " | "."""

    def __init__(self) -> None:
        self._line: list[str] = []
        self._cell: list[str] = []  # lines of the open cell
        self._row: list[str] = []

    def put(self, line: str) -> None:
        """A finished line."""
        raise NotImplementedError

    def text_is(self, text: str) -> None:
        """More text on the line."""
        self._line.append(text)

    def end_paragraph(self, in_table: bool) -> None:
        """A paragraph ends: the line too, unless it stands in a cell."""
        if in_table:
            self._cell.append(self._taken())
            return
        self._flush_row()
        self.put(self._taken())

    def end_cell(self) -> None:
        """A cell ends."""
        self._cell.append(self._taken())
        self._row.append(" ".join(" ".join(self._cell).split()).strip(" |"))
        self._cell.clear()

    def end_row(self) -> None:
        """A row ends."""
        if self._cell or self._line:
            self.end_cell()
        self._flush_row()

    def end_page(self) -> None:
        """The author begins a new page here."""

    def end_page_with_text(self) -> None:
        """What follows stands on a new page."""

    def end_section(self) -> None:
        """A section ends, and the page unless the next one says otherwise."""
        self.finish()

    def section_goes_on(self) -> None:
        """The section that has begun stays on the page."""

    def finish(self) -> None:
        """Put what is left, as far as it is anything."""
        if self._cell or self._row:
            self.end_row()
        if self._line:
            self.put(self._taken())

    def _flush_row(self) -> None:
        if self._cell:  # a table that ends without ending its row
            self._row.append(" ".join(self._cell))
            self._cell.clear()
        if self._row:
            row = " | ".join(cell for cell in self._row if cell)
            self._row.clear()
            self.put(row)

    def _taken(self) -> str:
        text = "".join(self._line)
        self._line.clear()
        # Characters beyond the first 65,536 are written as two halves.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


class Aside(Lines):
    """Text beside the body: a note, a header, the title."""

    def __init__(self, kind: bytes) -> None:
        super().__init__()
        self.kind = kind
        self._lines: list[str] = []

    def put(self, line: str) -> None:
        self._lines.append(line)

    def text(self) -> str:
        """All of it."""
        self.finish()
        return "\n".join(self._lines).strip()


class Body(Lines):
    """Writes lines to their pages as they are finished, with the notes that they refer to below them."""

    def __init__(self, out: PageWriter) -> None:
        super().__init__()
        self.has_text = False
        self._out = out
        self._notes: list[str] = []
        self._text_on_page = False
        self._section_ended = False

    def put(self, line: str) -> None:
        if line.strip():
            if self._section_ended:
                self._section_ended = False
                self._end_page_with_text()
            self._text_on_page = self.has_text = True
        self._out.line(line)
        for note in self._notes:
            self._out.line(note)
        self._notes.clear()

    def note(self, text: str) -> None:
        """A note to the line that is being written."""
        if text:
            self._notes.append(text)

    def end_page(self) -> None:
        self.finish()
        self._out.end_page()
        self._text_on_page = False

    def end_page_with_text(self) -> None:
        self.finish()
        self._end_page_with_text()

    def end_section(self) -> None:
        self.finish()
        self._section_ended = True

    def section_goes_on(self) -> None:
        self._section_ended = False

    def finish(self) -> None:
        super().finish()
        if self._notes:
            self.put("")

    def _end_page_with_text(self) -> None:
        if self._text_on_page:
            self._out.end_page()
            self._text_on_page = False
