"""XML of any kind: the text between the tags, a line for each block of it. Attributes are for programs.

Nothing says which elements are blocks. So an element that begins where its parent has had no text of its own begins a
line; one in the middle of its parent's text stays within the line, like a word in bold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ingestion.extract.clean import clean_line
from ingestion.extract.contract import Extractor, PageWriter
from ingestion.extract.guarded_xml import XmlTarget, parse_xml
from ingestion.extract.office2003 import target_for

_BLOCK = 1 << 20
_NEVER = 1 << 30
_HEAD = 64 << 10
# What may stand before the first element where the DOCTYPE names a file at most and declares nothing by itself.
_PLAIN_PROLOG = re.compile(
    r"""(?>\s+|<!--.*?-->|<\?.*?\?>)*+<!DOCTYPE\s+[^\s\[\]<>"']++(?:\s+(?:PUBLIC|SYSTEM)(?:\s+(?:"[^"]*"|'[^']*')){1,2}+)?\s*>""",
    re.DOTALL,
)
_ENCODING = re.compile(rb"""<\?xml[^>]{0,100}?encoding\s*=\s*["']([\w.-]{1,40})""")
_LIKE_ASCII = re.compile(rb"utf-?8|us-ascii|iso-8859-\d+|windows-125\d", re.IGNORECASE)
_REFERENCE = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos);)[A-Za-z_:][\w:.-]{0,60};")


def read(path: Path, out: PageWriter) -> None:
    """Write the text; the title is the first element of that name."""
    with path.open("rb") as stream:
        plain = _has_plain_doctype(stream.read(_HEAD))
    references = 0

    def blocks() -> Iterator[bytes]:
        nonlocal references
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                if plain:
                    references += sum(1 for _ in _REFERENCE.finditer(block))
                yield block

    target = _ByRoot(out)
    parse_xml(blocks(), target, "it", stop=lambda: out.full, plain_doctype=plain)
    target.close()
    if references:
        out.warn("entities_not_read", f"characters that another file defines, and that were left out: {references:,}")


def _has_plain_doctype(head: bytes) -> bool:
    """Whether there is a DOCTYPE that declares nothing. In doubt there is none, and then none is let through."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = head.decode("utf-16", "replace")
    else:
        named = _ENCODING.search(head)
        if named and not _LIKE_ASCII.fullmatch(named[1]):
            return False
        text = head.decode("latin-1").removeprefix("ï»¿")
    return _PLAIN_PROLOG.match(text) is not None


class _ByRoot(XmlTarget):
    """Leaves the reading to the target that fits the first element."""

    def __init__(self, out: PageWriter) -> None:
        self._out = out
        self._target: XmlTarget | None = None

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        if self._target is None:
            self._target = target_for(tag, self._out) or _Lines(self._out)
        self._target.start(tag, attrib)

    def end(self, tag: str) -> None:
        if self._target is not None:
            self._target.end(tag)

    def data(self, data: str) -> None:
        if self._target is not None:
            self._target.data(data)

    def close(self) -> None:
        """Write what is left."""
        if isinstance(self._target, _Lines):
            self._target.end_line()


class _Lines(XmlTarget):
    """Collects text between elements that begin a line."""

    def __init__(self, out: PageWriter) -> None:
        self._out = out
        self._line: list[str] = []
        self._length = 0
        self._has_text = [False]  # of each open element: whether it has text of its own
        self._title: list[str] = []
        self._title_depth = 0  # of the first title; its text is the title's until it ends

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        if not self._has_text[-1]:
            self.end_line()
        self._has_text.append(False)
        if not self._title_depth and tag.rpartition("}")[2].lower() == "title":
            self._title_depth = len(self._has_text)

    def end(self, tag: str) -> None:
        if len(self._has_text) == self._title_depth:
            self._out.title("".join(self._title))
            self._title_depth = _NEVER
        self._has_text.pop()

    def data(self, data: str) -> None:
        if not self._has_text[-1] and not data.isspace():
            self._has_text[-1] = True
        if 0 < self._title_depth <= len(self._has_text):
            self._title.append(data)
        self._line.append(data)
        self._length += len(data)
        if self._length > self._out.limits.max_text_characters:
            self.end_line()

    def end_line(self) -> None:
        """Write the line so far."""
        text = clean_line("".join(self._line))
        self._line.clear()
        self._length = 0
        if text:
            self._out.line(text)


EXTRACTOR = Extractor(name="xml", version=1, read=read)
