"""HTML: the words a reader of the page sees, in lines as the page breaks them, without scripts and styles."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lxml import etree

from ingestion.extract.clean import clean_line
from ingestion.extract.contract import Extractor, PageWriter
from ingestion.extract.decode import read_text

_HEAD_BYTES = 4096
_CHARSET = re.compile(rb"""(?:charset|<\?xml[^>]{0,100}?encoding)\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)
_UNSEEN = frozenset({"script", "style", "template", "noscript", "head", "svg", "math", "object", "iframe"})
_BLOCKS = frozenset(
    {
        *("address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd", "details", "dialog"),
        *("dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4"),
        *("h5", "h6", "header", "hr", "html", "legend", "li", "main", "menu", "nav", "ol", "optgroup", "option", "p"),
        *("pre", "search", "section", "summary", "table", "tbody", "tfoot", "thead", "title", "tr", "ul"),
    }
)
_CELLS = frozenset({"td", "th"})
_SPACES = re.compile(r"[^\S\xa0]+")
_FEED = 1 << 20
_MAX_FRAMES = 5  # inside one another


def read(path: Path, out: PageWriter) -> None:
    """Write what the page shows; the title is the page's, else its first heading."""
    with path.open("rb") as stream:
        named = named_in(stream.read(_HEAD_BYTES))
    html_to_lines(read_text(path, out, named=named), out)


def named_in(data: bytes) -> str | None:
    """The encoding that a page names in its first bytes."""
    found = _CHARSET.search(data[:_HEAD_BYTES])
    return found[1].decode("ascii", "replace") if found else None


def html_to_lines(text: str, out: PageWriter, *, frames: int = 0) -> None:
    """Write what an HTML text shows, line by line. `frames` counts the pages around this one."""
    target: Any = _Lines(out, frames)  # lxml's types ask for a method for every event; a target may leave some out
    parser = etree.HTMLParser(target=target, encoding="utf-8", no_network=True, huge_tree=False)
    # Bytes in a known encoding: so the encoding that the page itself names has no say any more.
    data = text.replace("\x00", "").encode("utf-8", "replace")
    if not data.strip():
        return
    for start in range(0, len(data), _FEED):
        parser.feed(data[start : start + _FEED])
        if out.full:
            break
    parser.close()


class _Lines:
    """Collects text between elements that begin a line."""

    def __init__(self, out: PageWriter, frames: int) -> None:
        self._out = out
        self._frames = frames
        self._line: list[str] = []
        self._hidden: list[str] = []  # elements not shown that are open now
        self._title: list[str] | None = None
        self._preformatted = 0

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        if tag == "body":
            self._hidden.clear()  # a head that was never closed
        if tag == "iframe" and not self._hidden and self._frames < _MAX_FRAMES:
            self._break()  # the page in the frame may stand in the attribute; its address is somebody else's page
            html_to_lines(attrib.get("srcdoc", ""), self._out, frames=self._frames + 1)
        if tag in _UNSEEN:
            self._hidden.append(tag)
        elif tag == "title" and self._hidden == ["head"]:
            self._title = []
        if self._hidden:
            return
        if tag == "pre":
            self._preformatted += 1
        if tag in _BLOCKS:
            self._break()
        elif tag in _CELLS and any(part.strip() for part in self._line):
            self._line.append(" | ")
        elif tag == "img" and (alt := attrib.get("alt", "").strip()):
            self._line.append(f" {alt} ")

    def end(self, tag: str) -> None:
        if tag == "title" and self._title is not None:
            self._out.title("".join(self._title))
            self._title = None
        if tag in self._hidden:
            del self._hidden[self._hidden.index(tag) :]
            return
        if self._hidden:
            return
        if tag in ("h1", "h2"):
            self._out.title(clean_line("".join(self._line)))
        if tag in _BLOCKS:
            self._break()
        if tag == "pre":
            self._preformatted = max(0, self._preformatted - 1)

    def data(self, data: str) -> None:
        if self._title is not None:
            self._title.append(data)
        elif not self._hidden:
            self._line.append(data)

    def doctype(self, name: str | None, public_id: str | None, system_url: str | None) -> None:
        """HTML has one; it defines nothing."""

    def close(self) -> None:
        self._break()

    def _break(self) -> None:
        text = "".join(self._line)
        self._line.clear()
        if not self._preformatted:
            text = _SPACES.sub(" ", text).strip()
        if text:
            self._out.line(text)


EXTRACTOR = Extractor(name="html", version=2, read=read)
