"""DrawingML: the text of shapes, diagrams and charts, the same on slides and in workbooks."""

from __future__ import annotations

from collections.abc import Callable

from ingestion.extract.container import XmlTarget

_DRAWING = ("{http://schemas.openxmlformats.org/drawingml/2006/main}", "{http://purl.oclc.org/ooxml/drawingml/main}")
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"  # says the same once more
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"


class DrawingTarget(XmlTarget):
    """Puts the paragraphs of shapes and diagrams as lines; a row of a table is one line."""

    def __init__(self, put: Callable[[str], None]) -> None:
        self._put = put
        self._paragraphs: list[list[str]] = []
        self._cells: list[list[str]] = []
        self._rows: list[list[str]] = []
        self._fallback = 0
        self._in_text = False

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        if self._fallback or tag == _FALLBACK:
            self._fallback += 1
            return
        name = local(tag, _DRAWING)
        if name == "p":
            self.begin_paragraph()
        elif name == "t" or tag == _MATH_TEXT:
            self._in_text = True
        elif name == "br" and self._paragraphs:
            self._paragraphs[-1].append("\n")
        elif name == "tr":
            self._rows.append([])
        elif name == "tc":
            self._cells.append([])
        elif name is None:
            self.start_around(tag, attrib)

    def end(self, tag: str) -> None:
        if self._fallback:
            self._fallback -= 1
            return
        name = local(tag, _DRAWING)
        if name == "t" or tag == _MATH_TEXT:
            self._in_text = False
        elif name == "p":
            self.end_paragraph()
        elif name == "tc":
            cell = " ".join(line.strip() for line in self._cells.pop())
            if self._rows and cell:
                self._rows[-1].append(cell)
        elif name == "tr":
            self.write(" | ".join(self._rows.pop()))
        elif name is None:
            self.end_around(tag)

    def data(self, data: str) -> None:
        if self._in_text and not self._fallback and self._paragraphs:
            self._paragraphs[-1].append(data)

    def begin_paragraph(self, *, in_text: bool = False) -> None:
        """A paragraph begins; with `in_text` its characters stand in it without an element of their own."""
        self._paragraphs.append([])
        self._in_text = in_text

    def end_paragraph(self) -> None:
        """The open paragraph is complete."""
        self._in_text = False
        self.write("".join(self._paragraphs.pop()))

    def write(self, line: str) -> None:
        """A finished line."""
        if not line.strip():
            return
        if self._cells:
            self._cells[-1].append(line)
        else:
            self._put(line)

    def start_around(self, tag: str, attrib: dict[str, str]) -> None:
        """An element of another kind begins."""

    def end_around(self, tag: str) -> None:
        """An element of another kind has ended."""


def local(tag: str, namespaces: tuple[str, str]) -> str | None:
    """A tag's name where it is in one of the namespaces."""
    for namespace in namespaces:
        if tag.startswith(namespace):
            return tag[len(namespace) :]
    return None
