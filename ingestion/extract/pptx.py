"""PowerPoint presentations (OOXML): one page a slide, with its notes and comments below it.

What masters and layouts say ("Click to add title") is for the author alone and not read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ingestion.errors import CorruptFile
from ingestion.extract.container import Container, XmlTarget
from ingestion.extract.contract import Extractor, PageWriter
from ingestion.extract.relations import Relation, document_title, main_part, relations_of

_SLIDES = (
    "{http://schemas.openxmlformats.org/presentationml/2006/main}",
    "{http://purl.oclc.org/ooxml/presentationml/main}",
)
_DRAWING = ("{http://schemas.openxmlformats.org/drawingml/2006/main}", "{http://purl.oclc.org/ooxml/drawingml/main}")
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"  # says the same once more
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
# The parts that belong to a slide, in the order in which their text stands below it.
_BESIDE = ("diagramData", "chart", "notesSlide", "comments")
# Placeholders that say what is no part of the text.
_NUMBER = frozenset({"sldNum"})
_AROUND_NOTES = frozenset({"sldNum", "dt", "hdr", "ftr"})
_OFF = ("0", "false")


def read(path: Path, out: PageWriter) -> None:
    """Write the slides in the order they are shown in, hidden ones too; the title is the properties'."""
    container = Container(path, out.limits)
    main = main_part(container) or "ppt/presentation.xml"
    if main not in container:
        raise CorruptFile("The file is damaged: the presentation inside of it is missing.")
    out.title(document_title(container))
    listed = _ListTarget()
    container.parse(main, listed)
    if not listed.is_presentation:
        raise CorruptFile("The file is not a PowerPoint presentation, though it is an office file.")
    names = {each.id: each.target for each in relations_of(container, main) if each.kind == "slide"}
    if any(each not in names for each in listed.slides):
        raise CorruptFile("The file is damaged: a slide of the presentation inside of it is missing.")
    slides = list(dict.fromkeys(names[each] for each in listed.slides))  # programs write each slide once
    _Slides(container, out).write(slides)


class _Slides:
    """Writes slides. A part is read once, however many slides refer to it."""

    def __init__(self, container: Container, out: PageWriter) -> None:
        self._container = container
        self._out = out
        self._seen: set[str] = set()
        self._embedded: set[str] = set()
        self._hidden: list[int] = []

    def write(self, slides: list[str]) -> None:
        """Each slide as a page."""
        for index in self._out.expect_pages(len(slides)):
            self._slide(slides[index])
            self._out.end_page()
            if self._out.full:
                break
        if self._hidden:
            numbers = ", ".join(map(str, self._hidden))
            self._out.warn("hidden_slides_read", f"slides that are hidden in the show were read too: {numbers}")
        if self._embedded:
            count = len(self._embedded)
            self._out.warn("embedded_files_not_read", f"files embedded in the document that were not read: {count}")

    def _slide(self, name: str) -> None:
        if self._read(name, _NUMBER).is_hidden:
            self._hidden.append(self._out.page_number)
        relations = relations_of(self._container, name)
        for relation in sorted((each for each in relations if each.kind in _BESIDE), key=_place):
            if relation.target not in self._seen and not self._out.full:
                self._seen.add(relation.target)
                self._read(relation.target, _AROUND_NOTES)
        self._embedded |= {each.target for each in relations if each.kind in ("package", "oleObject")}

    def _read(self, name: str, unread: frozenset[str]) -> _TextTarget:
        target = _TextTarget(self._out.line, unread)
        self._container.parse(name, target, stop=lambda: self._out.full)
        return target


class _ListTarget(XmlTarget):
    """The slides' references, in the order of the show."""

    def __init__(self) -> None:
        self.slides: list[str] = []
        self.is_presentation = False

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        name = _local(tag, _SLIDES)
        if name == "presentation":
            self.is_presentation = True
        elif name == "sldId":  # it has a number of its own, too, without a namespace
            self.slides.append(next((value for key, value in attrib.items() if key.endswith("}id")), ""))


class _TextTarget(XmlTarget):
    """Puts the paragraphs of shapes, diagrams and comments as lines; a row of a table is one line."""

    def __init__(self, put: Callable[[str], None], unread: frozenset[str]) -> None:
        self.is_hidden = False
        self._put = put
        self._unread = unread  # kinds of placeholders
        self._in_unread = False
        self._paragraphs: list[list[str]] = []
        self._cells: list[list[str]] = []
        self._rows: list[list[str]] = []
        self._fallback = 0
        self._in_text = False

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        if self._fallback or tag == _FALLBACK:
            self._fallback += 1
            return
        name = _local(tag, _DRAWING)
        if name == "p":
            self._paragraphs.append([])
        elif name == "t" or tag == _MATH_TEXT:
            self._in_text = True
        elif name == "br" and self._paragraphs:
            self._paragraphs[-1].append("\n")
        elif name == "tr":
            self._rows.append([])
        elif name == "tc":
            self._cells.append([])
        elif name is None:
            self._start_around(_local(tag, _SLIDES), attrib)

    def end(self, tag: str) -> None:
        if self._fallback:
            self._fallback -= 1
            return
        name = _local(tag, _DRAWING)
        if name == "t" or tag == _MATH_TEXT:
            self._in_text = False
        elif name == "p":
            self._write("".join(self._paragraphs.pop()))
        elif name == "tc":
            cell = " ".join(line.strip() for line in self._cells.pop())
            if self._rows and cell:
                self._rows[-1].append(cell)
        elif name == "tr":
            self._write(" | ".join(self._rows.pop()))
        elif name is None:
            self._end_around(_local(tag, _SLIDES))

    def data(self, data: str) -> None:
        if self._in_text and not self._fallback and self._paragraphs:
            self._paragraphs[-1].append(data)

    def _start_around(self, name: str | None, attrib: dict[str, str]) -> None:
        if name == "sld":
            self.is_hidden = attrib.get("show") in _OFF
        elif name == "ph" and attrib.get("type") in self._unread:
            self._in_unread = True
        elif name == "text":  # a comment as PowerPoint wrote it before 2021; now it has paragraphs
            self._paragraphs.append([])
            self._in_text = True

    def _end_around(self, name: str | None) -> None:
        if name == "sp":
            self._in_unread = False
        elif name == "text":
            self._in_text = False
            self._write("".join(self._paragraphs.pop()))

    def _write(self, line: str) -> None:
        if self._in_unread or not line.strip():
            return
        if self._cells:
            self._cells[-1].append(line)
        else:
            self._put(line)


def _place(relation: Relation) -> int:
    return _BESIDE.index(relation.kind)


def _local(tag: str, namespaces: tuple[str, str]) -> str | None:
    for namespace in namespaces:
        if tag.startswith(namespace):
            return tag[len(namespace) :]
    return None


EXTRACTOR = Extractor(name="pptx", version=1, read=read)
