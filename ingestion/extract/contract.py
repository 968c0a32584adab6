"""What an extractor gives: pages of clean text, and an honest word on whether there is any.

An extractor is a function `read(path, out)` that writes what it finds into a `PageWriter` and raises what goes
wrong. The writer keeps the bounds (pages, characters) and cleans the text, so that no extractor has to.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ingestion.extract.clean import clean_line, clean_page
from ingestion.limits import Limits

MAX_WARNINGS = 50
MAX_WARNING = 1_000
MAX_TITLE = 500


class TextStatus(StrEnum):
    """Whether the document has text that can be searched."""

    OK = "ok"
    NO_TEXT = "no_text"


class NoText(StrEnum):
    """Why a document has no text."""

    EMPTY = "empty"  # nothing is written in it
    SCAN = "scan"  # its pages are pictures
    DRAWING = "drawing"  # its pages are drawn, letters included: no text layer

    @property
    def sentence(self) -> str:
        """The reason for a person, with the next step where there is one."""
        return _NO_TEXT_SENTENCES[self]


_NO_TEXT_SENTENCES = {
    NoText.EMPTY: "There is no text in this document.",
    NoText.SCAN: "The pages are pictures without a text layer: run text recognition (OCR) and upload the result.",
    NoText.DRAWING: "The pages are drawn without a text layer: run text recognition (OCR) and upload the result.",
}


@dataclass(frozen=True, slots=True)
class Page:
    """One page, slide, sheet or chapter, or the whole document where it has none of them; counted from 1."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside of the document. `inline`: a picture that belongs to the text. `read` gives its bytes."""

    name: str
    inline: bool
    read: Callable[[], bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Extraction:
    """The text of one document.

    `pages` leaves out pages without text, so page numbers may have gaps; `page_count` counts all of them.
    `warnings` are sentences that begin with a stable code and a colon: what was left out or repaired.
    `attachments` are files inside of it that are documents of their own.
    An extraction without text is never `ok`: `text_status` is `no_text` and `no_text_reason` says why.
    """

    pages: tuple[Page, ...]
    title: str
    page_count: int
    warnings: tuple[str, ...]
    extractor: str
    version: int
    text_status: TextStatus
    no_text_reason: NoText | None
    attachments: tuple[Attachment, ...] = ()

    @property
    def has_text(self) -> bool:
        """True when at least one page has text."""
        return self.text_status is TextStatus.OK

    @property
    def text_length(self) -> int:
        """Characters on all pages together."""
        return sum(len(page.text) for page in self.pages)


class PageWriter:
    """Collects the text of one document, page by page, and stops at the limits with a warning.

    Extractors look at `full` in their loops: once it is true, whatever else they write is dropped.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.full = False
        self._title = ""
        self._page_count = 0
        self._known_page_count: int | None = None
        self._reason = NoText.EMPTY
        self._pages: list[Page] = []
        self._warnings: list[str] = []
        self._attachments: list[Attachment] = []
        self._left = limits.max_text_characters
        self._buffer = io.StringIO()

    @property
    def page_number(self) -> int:
        """The number of the page being written, from 1."""
        return self._page_count + 1

    def line(self, text: str) -> None:
        """Write one line (or several, with newlines inside) on the current page."""
        if self.full:
            return
        if len(text) >= self._left:
            text = text[: self._left]
            self.full = True
            self.warn_of_cut_text()
        self._left -= len(text) + 1
        self._buffer.write(text)
        self._buffer.write("\n")

    def end_page(self) -> None:
        """Close the current page; the next line begins the next one. A page without text still counts."""
        text = clean_page(self._buffer.getvalue())
        self._buffer = io.StringIO()
        if self._page_count >= self.limits.max_pages:
            if text:
                self.full = True
                self._warn_of_page_limit()
            return
        self._page_count += 1
        if text:
            self._pages.append(Page(self._page_count, text))

    def expect_pages(self, count: int) -> range:
        """Say how many pages the document has; returns the page indexes (from 0) that are to be read."""
        self._known_page_count = count
        if count > self.limits.max_pages:
            self._warn_of_page_limit()
        return range(min(count, self.limits.max_pages))

    def title(self, text: str | None) -> None:
        """Set the title; the first one that is not blank stays."""
        self._title = self._title or clean_line(text or "")[:MAX_TITLE].rstrip()

    def no_text_because(self, reason: NoText) -> None:
        """Why there is no text, should there be none in the end."""
        self._reason = reason

    def attach(self, attachment: Attachment) -> None:
        """Add a file inside of the document that is to be read as one of its own."""
        self._attachments.append(attachment)

    def warn(self, code: str, message: str) -> None:
        """Add a warning; the same one is kept once, and at most 50 in all."""
        warning = clean_line(f"{code}: {message}")[:MAX_WARNING]
        if warning not in self._warnings and len(self._warnings) < MAX_WARNINGS:
            self._warnings.append(warning)

    def warn_of_cut_text(self) -> None:
        """Say that the document is longer than what was read of it."""
        limit = self.limits.max_text_characters
        self.warn("text_truncated", f"the text was cut after {limit:,} characters (limit max_text_characters)")

    def finish(self, extractor: str, version: int) -> Extraction:
        """Everything written so far, as the finished extraction."""
        if self._buffer.tell() or not self._page_count:
            self.end_page()
        return Extraction(
            pages=tuple(self._pages),
            title=self._title,
            page_count=self._page_count if self._known_page_count is None else self._known_page_count,
            warnings=tuple(self._warnings),
            extractor=extractor,
            version=version,
            text_status=TextStatus.OK if self._pages else TextStatus.NO_TEXT,
            no_text_reason=None if self._pages else self._reason,
            attachments=tuple(self._attachments),
        )

    def _warn_of_page_limit(self) -> None:
        self.warn("pages_truncated", f"only the first {self.limits.max_pages:,} pages were read (limit max_pages)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Extractor:
    """One format's reader. Raise `version` when its text gets better: reprocessing finds documents by it.

    `fallback` reads the same in another way, for files that ended the process of `read`.
    """

    name: str
    version: int
    read: Callable[[Path, PageWriter], None]
    fallback: Callable[[Path, PageWriter], None] | None = None
