"""Pages into chunks: pieces small enough to index, rank and show, each on exactly one page.

PostgreSQL refuses a tsvector above 1 MB, so a document is never indexed as a whole; a chunk of 2,000 characters
makes one of some 20 kB at worst.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

TARGET_CHARACTERS = 2_000
OVERLAP_CHARACTERS = 200

_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]{0,3}\s|[。！？]")
_BLANK = re.compile(r"\s")


class NumberedPage(Protocol):
    """A page as extraction gives it."""

    @property
    def number(self) -> int: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True, slots=True)
class TextChunk:
    """A piece of a document: its place in the document from 0, the page it is on, its text."""

    index: int
    page: int
    text: str


def chunk_pages(
    pages: Iterable[NumberedPage], *, target: int = TARGET_CHARACTERS, overlap: int = OVERLAP_CHARACTERS
) -> Iterator[TextChunk]:
    """Cut pages into chunks of at most `target` characters, in order, without changing the text.

    A chunk ends at the end of a paragraph if one ends in its second half, else of a line, a sentence, a word. It
    begins with up to `overlap` characters of the one before, from a word's beginning, so that a phrase across a cut
    is found. No chunk crosses pages: its page number is always right. Pages without text give none.
    """
    if overlap * 2 >= target:
        raise ValueError("overlap must be less than half of target")
    index = 0
    for page in pages:
        for text in _pieces(page.text, target, overlap):
            yield TextChunk(index, page.number, text)
            index += 1


def _pieces(text: str, target: int, overlap: int) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = _end(text, start, target)
        if piece := text[start:end].strip():
            yield piece
        if end >= len(text):
            return
        start = _beginning(text, end - overlap, end)


def _end(text: str, start: int, target: int) -> int:
    """Where the chunk that starts here ends best, after at least half of `target`."""
    limit = start + target
    if limit >= len(text):
        return len(text)
    middle = start + target // 2
    for mark in ("\n\n", "\n"):
        if (at := text.rfind(mark, middle, limit)) >= 0:
            return at + len(mark)
    end = 0
    for sentence in _SENTENCE_END.finditer(text, middle, limit):
        end = sentence.end()
    for blank in () if end else _BLANK.finditer(text, middle, limit):
        end = blank.end()
    return end or limit


def _beginning(text: str, earliest: int, end: int) -> int:
    """The first beginning of a word from `earliest` on; `earliest` itself in a text without blanks."""
    blank = _BLANK.search(text, earliest, end)
    return blank.end() if blank else earliest
