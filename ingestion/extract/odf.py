"""What OpenDocument files have in common: one part with the content, in the same elements whatever its kind.

Some of them have a part of their own beside it for what stands on every page. A password locks each part by itself;
the list of parts, which nobody can lock, says so.
"""

from __future__ import annotations

import re
from pathlib import Path

from ingestion.errors import CorruptFile, PasswordRequired
from ingestion.extract.container import Container, XmlTarget
from ingestion.extract.contract import PageWriter
from ingestion.extract.relations import title_in

CONTENT = "content.xml"
_MANIFEST = "META-INF/manifest.xml"
_PROPERTIES = "meta.xml"
# Older lists of parts begin with a DOCTYPE, which no parser shall see: so their bytes are looked at.
_LOCKED = re.compile(rb"<(?:[\w.-]{1,50}:)?encryption-data[\s/>]")
_LONGEST_MATCH = 100

_OASIS = "{urn:oasis:names:tc:opendocument:xmlns:"
OFFICE, TEXT, TABLE, DRAW = (f"{_OASIS}{name}:1.0}}" for name in ("office", "text", "table", "drawing"))
STYLE, FO, SHOW = (f"{_OASIS}{name}:1.0}}" for name in ("style", "xsl-fo-compatible", "presentation"))
_LIBREOFFICE = "{urn:org:documentfoundation:names:experimental:office:xmlns:loext:1.0}"
_PREFIXES = {OFFICE: "office:", TEXT: "text:", TABLE: "table:", DRAW: "draw:", STYLE: "style:", SHOW: "show:"}
_PREFIXES[_LIBREOFFICE] = "loext:"  # what the standard does not have yet, around pieces of text too

_PARAGRAPHS = frozenset({"text:p", "text:h"})
_CELLS = frozenset({"table:table-cell", "table:covered-table-cell"})
_NOTES = frozenset({"text:note-body", "office:annotation"})
_OBJECTS = frozenset({"draw:object", "draw:object-ole"})
# Not shown, not the author's, or said again elsewhere.
_UNREAD = frozenset(
    {
        *("text:tracked-changes", "text:note-citation", "text:number", "text:script"),
        *("table:tracked-changes", "table:dde-links", "office:scripts", "office:forms"),
    }
)
_MOST_BLANKS = 100
_WHITE = re.compile(r"[ \t\r\n]+")


def open_document(path: Path, out: PageWriter) -> Container:
    """The file as a container, once it is seen to be readable; sets the title that its properties have."""
    container = Container(path, out.limits)
    if _MANIFEST in container and _is_locked(container):
        raise PasswordRequired
    if CONTENT not in container:
        raise CorruptFile("The file is damaged: the document inside of it is missing.")
    if _PROPERTIES in container:
        out.title(title_in(container, _PROPERTIES))
    return container


def read_content(container: Container, target: OdfTarget, out: PageWriter) -> None:
    """Send the content to `target`; CorruptFile when it is of another kind of document."""
    container.parse(CONTENT, target, stop=lambda: out.full)
    if not target.is_its_kind:
        raise CorruptFile(f"The file is not an OpenDocument {target.kind}, though it has the parts of one.")
    if target.objects:
        out.warn("embedded_files_not_read", f"files embedded in the document that were not read: {target.objects}")


def short(tag: str) -> str:
    """A name as people write it, "text:p"; in other namespaces the name alone."""
    namespace, brace, name = tag.rpartition("}")
    return _PREFIXES.get(namespace + brace, "") + name


def count_in(attrib: dict[str, str], name: str) -> int:
    """How often something is there: what the attribute says, 1 where it says nothing sensible."""
    said = attrib.get(name, "")
    return max(1, int(said[:9])) if said.isdecimal() else 1


class OdfTarget(XmlTarget):
    """Turns the content into lines of text; a row of a table becomes one line, notes stand below it."""

    kind = ""  # of document, in words
    body = ""  # the element that only this kind has

    def __init__(self) -> None:
        self.is_its_kind = False
        self.objects = 0
        self._unread = 0
        self._readable = [False]  # of each open element: does its own text belong to a paragraph?
        self._paragraphs: list[list[str]] = []  # a text box has its own inside another
        self._inside: list[list[str]] = []  # lines of the open cells and notes
        self._rows: list[list[str]] = []
        self._notes: list[str] = []

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        name = short(tag)
        if self._unread or self.skips(name, attrib):
            self._unread += 1
            return
        inherits = name.startswith(("text:", "loext:")) and self._readable[-1]
        self._readable.append(inherits or name in _PARAGRAPHS)
        self.begin(name, attrib)
        if name in _PARAGRAPHS:
            self._paragraphs.append([])
        elif name == "table:table-row":
            self._rows.append([])
        elif name in _CELLS or name in _NOTES:
            self._inside.append([])
        elif name in _OBJECTS:
            self.objects += 1
        elif name == self.body:
            self.is_its_kind = True
        elif self._paragraphs:
            self._mark(name, attrib)

    def end(self, tag: str) -> None:
        if self._unread:
            self._unread -= 1
            return
        name = short(tag)
        self._readable.pop()
        if name in _PARAGRAPHS:
            self._write("".join(self._paragraphs.pop()))
        elif name in _CELLS:
            self.end_cell(" ".join(" ".join(self._inside.pop()).split()))
        elif name == "table:table-row":
            self.end_row(self._rows.pop())
        elif name in _NOTES:
            self._notes += self._inside.pop()
        elif name == "office:body":
            self.put_notes()
        self.finish(name)

    def data(self, data: str) -> None:
        if not self._unread and self._readable[-1]:
            text = _WHITE.sub(" ", data)
            paragraph = self._paragraphs[-1]
            paragraph.append(text if paragraph else text.lstrip(" "))

    @property
    def at_top(self) -> bool:
        """Whether neither a paragraph nor a cell nor a note is open."""
        return not self._paragraphs and not self._inside

    def skips(self, name: str, attrib: dict[str, str]) -> bool:
        """Whether an element is left out with all that is in it."""
        return name in _UNREAD

    def begin(self, name: str, attrib: dict[str, str]) -> None:
        """An element that is read begins, and nothing of it is done yet."""

    def finish(self, name: str) -> None:
        """An element that is read has ended."""

    def put_line(self, line: str) -> None:
        """A finished line outside of every table and note."""

    def put_notes(self) -> None:
        """Write the notes that wait for the end of what they belong to."""
        waiting, self._notes = self._notes, []
        for line in waiting:
            self.put_line(line)

    def end_cell(self, text: str) -> None:
        """A cell's text is complete: it is added to the row."""
        if self._rows and text:
            self._rows[-1].append(text)

    def end_row(self, cells: list[str]) -> None:
        """A row's cells are complete."""
        self._write(" | ".join(cells))

    def add(self, mark: str) -> None:
        """Add to the open paragraph, or else as a line."""
        if self._paragraphs:
            self._paragraphs[-1].append(mark)
        else:
            self._write(mark)

    def _mark(self, name: str, attrib: dict[str, str]) -> None:
        if name == "text:s":
            self.add(" " * min(count_in(attrib, TEXT + "c"), _MOST_BLANKS))
        elif name == "text:tab":
            self.add("\t")
        elif name == "text:line-break":
            self.add("\n")

    def _write(self, line: str) -> None:
        if self._inside:
            self._inside[-1].append(line)
            return
        self.put_line(line)
        if not self._paragraphs:
            self.put_notes()


def _is_locked(container: Container) -> bool:
    seen = b""
    for block in container.read(_MANIFEST):
        seen = seen[-_LONGEST_MATCH:] + block
        if _LOCKED.search(seen):
            return True
    return False
