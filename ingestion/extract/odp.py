"""OpenDocument presentations: one page a slide, with its notes and comments below it."""

from __future__ import annotations

from pathlib import Path

from ingestion.extract.contract import Extractor, PageWriter
from ingestion.extract.odf import DRAW, SHOW, STYLE, OdfTarget, open_document, read_content


def read(path: Path, out: PageWriter) -> None:
    """Write the slides in the order of the show, hidden ones too."""
    target = _SlidesTarget(out)
    read_content(open_document(path, out), target, out)
    if target.hidden:
        numbers = ", ".join(map(str, target.hidden))
        out.warn("hidden_slides_read", f"slides that are hidden in the show were read too: {numbers}")


class _SlidesTarget(OdfTarget):
    """Writes each slide as a page; comments wait for its end."""

    kind = "presentation"
    body = "office:presentation"

    def __init__(self, out: PageWriter) -> None:
        super().__init__()
        self.hidden: list[int] = []
        self._out = out
        self._style = ""  # the one being defined
        self._hiding: set[str] = set()

    def skips(self, name: str, attrib: dict[str, str]) -> bool:
        return attrib.get(SHOW + "placeholder") == "true" or super().skips(name, attrib)

    def begin(self, name: str, attrib: dict[str, str]) -> None:
        if name == "draw:page" and attrib.get(DRAW + "style-name") in self._hiding:
            self.hidden.append(self._out.page_number)
        elif name == "style:style":
            self._style = attrib.get(STYLE + "name", "")
        elif name == "style:drawing-page-properties" and attrib.get(SHOW + "visibility") == "hidden":
            self._hiding.add(self._style)

    def finish(self, name: str) -> None:
        if name == "draw:page":
            super().put_notes()
            self._out.end_page()

    def put_line(self, line: str) -> None:
        if line.strip():
            self._out.line(line)

    def put_notes(self) -> None:
        """They stand below the slide, not below the paragraph before."""


EXTRACTOR = Extractor(name="odp", version=1, read=read)
