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
    NOT_RECOGNISED = "not_recognised"  # text recognition saw its pages and found nothing

    @property
    def sentence(self) -> str:
        """The reason for a person, with the next step where there is one."""
        return _NO_TEXT_SENTENCES[self]


_NO_TEXT_SENTENCES = {
    NoText.EMPTY: "There is no text in this document.",
    NoText.SCAN: "The pages are pictures without a text layer: run text recognition (OCR) and upload the result.",
    NoText.DRAWING: "The pages are drawn without a text layer: run text recognition (OCR) and upload the result.",
    NoText.NOT_RECOGNISED: "The pages are pictures, and text recognition (OCR) found no text on them.",
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


Tell = Callable[[int, int | None], None]
"""Is told the number of the page being read, and how many there are where that is known. May raise to stop."""
TELL_LINES = 2_000
"""How often a page of many lines is told of."""


class Interrupted(BaseException):
    """What `Tell` raised, on its way through a parser: no fault of the file's. `cause` is that exception."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class PageWriter:
    """Collects the text of one document, page by page, and stops at the limits with a warning.

    Extractors look at `full` in their loops: once it is true, whatever else they write is dropped.
    """

    def __init__(self, limits: Limits, tell: Tell | None = None) -> None:
        self.limits = limits
        self._tell = tell
        self._lines = 0
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
        self._lines += 1
        if self._lines % TELL_LINES == 0:
            self._report()

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
        self._report()

    def _report(self) -> None:
        if self._tell is None:
            return
        try:
            self._tell(self._page_count, self._known_page_count)
        except Exception as stop:
            raise Interrupted(stop) from stop

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


Read = Callable[[Path, PageWriter], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Extractor:
    """One format's reader. Raise `version` when its text gets better: reprocessing finds documents by it.

    `fallback` is another way to read the same format, for a file on which `read` crashed, hung or took all memory.
    `program` is one of this machine that `read` calls; a system check says so when it is missing.
    """

    name: str
    version: int
    read: Read
    fallback: Read | None = None
    program: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """A type of file that a project adds (setting FORMATS): how it is known, and how its text is read.

    `matches` is given a file's first bytes (64 KiB at most) and says whether they are of this type; it is asked where
    no signature known here stands, or before all others with `first`. A type that is recognised here and only has no
    reader (`ppt`, `sqlite` …) needs neither `matches` nor `mime`. `suffixes` are the endings that names of such files
    truly have: any other is a type mismatch.
    """

    type: str
    extractor: Extractor
    mime: str = ""
    suffixes: tuple[str, ...] = ()
    matches: Callable[[bytes], bool] | None = None
    first: bool = False
