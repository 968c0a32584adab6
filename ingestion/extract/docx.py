"""Word documents (OOXML): paragraphs in reading order, with the pages that Word itself saw.

Word notes where its last rendering broke pages; together with the breaks an author set they give page numbers. A
document that was never opened in a word processor has none of the former, and may be one page here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ingestion.errors import CorruptFile
from ingestion.extract.container import Container, XmlTarget
from ingestion.extract.contract import Extractor, PageWriter
from ingestion.extract.docx_chunks import Chunks
from ingestion.extract.relations import document_title, main_part, relations_of

_NAMESPACES = (
    "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}",
    "{http://purl.oclc.org/ooxml/wordprocessingml/main}",
    "{http://schemas.microsoft.com/office/word/2003/wordml}",  # one file of XML, with the same elements
)
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"  # says the same once more
_NOTES = {"footnotes": "footnote", "endnotes": "endnote", "comments": "comment"}
_AROUND = ("header", "footer")
_MARKS = {"tab": "\t", "ptab": "\t", "cr": "\n", "noBreakHyphen": "-"}
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
# Marks within a paragraph's text; XML can hold neither character.
_BREAK, _RENDERED_BREAK = "\x01", "\x02"
_BREAKS = re.compile(f"([{_BREAK}{_RENDERED_BREAK}])")
_OFF = ("0", "false", "off")


def read(path: Path, out: PageWriter) -> None:
    """Write the body page by page, notes and comments below their paragraph, headers and footers at the end."""
    container = Container(path, out.limits)
    main = main_part(container) or "word/document.xml"
    if main not in container:
        raise CorruptFile("The file is damaged: the document inside of it is missing.")
    out.title(document_title(container))
    relations = relations_of(container, main)
    notes: dict[tuple[str, str], str] = {}
    # Each part once, however many relations name it: a thousand of them to a big one would be a bomb.
    for kind, part in dict.fromkeys((relation.kind, relation.target) for relation in relations):
        if kind in _NOTES:
            container.parse(part, _NotesTarget(_NOTES[kind], notes), stop=lambda: out.full)
    chunks = Chunks(container, relations, out)
    body = BodyTarget(out, notes, chunks.write)
    container.parse(main, body, stop=lambda: out.full)
    if not body.is_word:
        raise CorruptFile("The file is not a Word document, though it is an office file.")
    seen: set[str] = set()
    for part in dict.fromkeys(relation.target for relation in relations if relation.kind in _AROUND):
        if not out.full:
            around = _TextTarget()
            container.parse(part, around)
            text = around.text()
            if text and text not in seen:
                seen.add(text)
                out.line(text)
    embedded = {each.target for each in relations if each.kind in ("package", "oleObject")} | chunks.unread
    if embedded:
        out.warn("embedded_files_not_read", f"files embedded in the document that were not read: {len(embedded)}")


class _TextTarget(XmlTarget):
    """Turns WordprocessingML into lines of text; a row of a table becomes one line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.is_word = False
        self._paragraphs: list[list[str]] = []  # open paragraphs: a text box has its own inside another
        self._cells: list[list[str]] = []  # lines of the open cells: a cell can hold a table
        self._rows: list[list[str]] = []
        self._hidden = 0
        self._in_text = False
        self._section_ends = False

    def text(self) -> str:
        """All lines so far, without page breaks."""
        return _BREAKS.sub("", "\n".join(self.lines)).strip()

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        if self._hidden or tag == _FALLBACK:
            self._hidden += 1
            return
        if tag == _MATH_TEXT:
            self._in_text = True
            return
        name = _local(tag)
        if name is None:
            return
        self.is_word = True
        if name == "p":
            self._paragraphs.append([])
        elif name == "t":
            self._in_text = True
        elif name == "moveFrom":  # a tracked move: the text stands at its new place too
            self._hidden = 1
        elif name == "tr":
            self._rows.append([])
        elif name == "tc":
            self._cells.append([])
        elif name == "altChunk":
            self.chunk(next((value for key, value in attrib.items() if key.endswith("}id")), ""))
        elif self._paragraphs:
            self._inside_paragraph(name, {key.rpartition("}")[2]: value for key, value in attrib.items()})

    def end(self, tag: str) -> None:
        if self._hidden:
            self._hidden -= 1
            return
        name = _local(tag)
        if name == "t" or tag == _MATH_TEXT:
            self._in_text = False
        elif name == "p" and self._paragraphs:
            if self._section_ends:
                self._paragraphs[-1].append(_RENDERED_BREAK)
                self._section_ends = False
            self._write("".join(self._paragraphs.pop()))
        elif name == "tc" and self._cells:
            cell = " ".join(line.strip() for line in self._cells.pop())
            if self._rows:
                self._rows[-1].append(cell)
        elif name == "tr" and self._rows:
            self._write(" | ".join(cell for cell in self._rows.pop() if cell))

    def data(self, data: str) -> None:
        if self._in_text and not self._hidden and self._paragraphs:
            self._paragraphs[-1].append(data)

    def put_line(self, line: str) -> None:
        """A finished line outside of every table."""
        self.lines.append(line)

    def note(self, kind: str, number: str) -> None:
        """A reference to a note stands here."""

    def chunk(self, reference: str) -> None:
        """The content of a file in another format stands here."""

    def _inside_paragraph(self, name: str, attrib: dict[str, str]) -> None:
        text = self._paragraphs[-1]
        if name in _MARKS:
            text.append(_MARKS[name])
        elif name == "br":
            text.append(_BREAK if attrib.get("type") == "page" else "\n")
        elif name == "lastRenderedPageBreak" or (name == "pageBreakBefore" and attrib.get("val") not in _OFF):
            text.append(_RENDERED_BREAK)
        elif name == "sectPr":  # a section ends with this paragraph, on a new page unless it says otherwise
            self._section_ends = True
        elif name == "type" and attrib.get("val") in ("continuous", "nextColumn"):
            self._section_ends = False
        elif name.endswith("Reference"):
            self.note(name.removesuffix("Reference"), attrib.get("id", ""))

    def _write(self, line: str) -> None:
        if self._cells:
            self._cells[-1].append(line)
        else:
            self.put_line(line)


class BodyTarget(_TextTarget):
    """Writes lines to their pages as they are finished, with the notes that they refer to below them."""

    def __init__(
        self, out: PageWriter, notes: dict[tuple[str, str], str], put_chunk: Callable[[str], bool] = lambda _: False
    ) -> None:
        super().__init__()
        self._out = out
        self._notes = notes
        self._put_chunk = put_chunk
        self._referred: list[str] = []
        self._text_on_page = False

    def put_line(self, line: str) -> None:
        for piece in _BREAKS.split(line):
            if piece == _BREAK or (piece == _RENDERED_BREAK and self._text_on_page):
                self._out.end_page()
                self._text_on_page = False
            elif piece != _RENDERED_BREAK:
                self._out.line(piece)
                self._text_on_page = self._text_on_page or bool(piece.strip())
        for note in self._referred:
            self._out.line(note)
        self._referred.clear()

    def note(self, kind: str, number: str) -> None:
        if text := self._notes.pop((kind, number), ""):
            self._referred.append(text)

    def chunk(self, reference: str) -> None:
        self._text_on_page = self._put_chunk(reference) or self._text_on_page


class _NotesTarget(_TextTarget):
    """Collects notes by kind and number."""

    def __init__(self, kind: str, notes: dict[tuple[str, str], str]) -> None:
        super().__init__()
        self._kind = kind
        self._notes = notes
        self._number = ""

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        if _local(tag) == self._kind:
            self._number = next((value for key, value in attrib.items() if _local(key) == "id"), "")
            self.lines.clear()
        super().start(tag, attrib)

    def end(self, tag: str) -> None:
        super().end(tag)
        if _local(tag) == self._kind and (text := self.text()):
            self._notes[self._kind, self._number] = text


def _local(tag: str) -> str | None:
    for namespace in _NAMESPACES:
        if tag.startswith(namespace):
            return tag[len(namespace) :]
    return None


EXTRACTOR = Extractor(name="docx", version=2, read=read)
