"""PowerPoint presentations (OOXML): one page a slide, with its notes and comments below it.

What masters and layouts say ("Click to add title") is for the author alone and not read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ingestion.errors import CorruptFile
from ingestion.extract.container import Container, XmlTarget
from ingestion.extract.contract import Extractor, PageWriter
from ingestion.extract.drawing import DrawingTarget, local
from ingestion.extract.relations import Relation, document_title, main_part, relations_of

_SLIDES = (
    "{http://schemas.openxmlformats.org/presentationml/2006/main}",
    "{http://purl.oclc.org/ooxml/presentationml/main}",
)
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
        name = local(tag, _SLIDES)
        if name == "presentation":
            self.is_presentation = True
        elif name == "sldId":  # it has a number of its own, too, without a namespace
            self.slides.append(next((value for key, value in attrib.items() if key.endswith("}id")), ""))


class _TextTarget(DrawingTarget):
    """The paragraphs of a slide or of what belongs to it, and of comments."""

    def __init__(self, put: Callable[[str], None], unread: frozenset[str]) -> None:
        super().__init__(put)
        self.is_hidden = False
        self._unread = unread  # kinds of placeholders
        self._in_unread = False

    def start_around(self, tag: str, attrib: dict[str, str]) -> None:
        name = local(tag, _SLIDES)
        if name == "sld":
            self.is_hidden = attrib.get("show") in _OFF
        elif name == "ph" and attrib.get("type") in self._unread:
            self._in_unread = True
        elif name == "text":  # a comment as PowerPoint wrote it before 2021; now it has paragraphs
            self.begin_paragraph(in_text=True)

    def end_around(self, tag: str) -> None:
        name = local(tag, _SLIDES)
        if name == "sp":
            self._in_unread = False
        elif name == "text":
            self.end_paragraph()

    def write(self, line: str) -> None:
        if not self._in_unread:
            super().write(line)


def _place(relation: Relation) -> int:
    return _BESIDE.index(relation.kind)


EXTRACTOR = Extractor(name="pptx", version=1, read=read)
