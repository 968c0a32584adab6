"""Clean text: what PostgreSQL stores, people read and search finds, without changing a word of it.

A document may have fifty million characters, so each step here is one that costs little where it finds nothing.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterator

# Line ends of every kind, and characters that are invisible or can not be stored: NUL and other controls, soft
# hyphen, byte order mark, lone surrogates, and code points that are no characters (PDFium writes U+FFFE).
_NEWLINES = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_DROPPED = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\ufeff\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]+")
_RARE = re.compile("[\U00010000-\U0010ffff]")
_DROPPED_RARE = re.compile(
    "[" + "".join(chr(plane << 16 | last) for plane in range(1, 17) for last in (0xFFFE, 0xFFFF)) + "]+"
)
_ASCII: dict[int, str | None] = {code: None for code in (*range(0x20), 0x7F) if code not in (0x09, 0x0A)}
_ASCII |= dict.fromkeys((0x0B, 0x0C, 0x0D, 0x1C, 0x1D, 0x1E), "\n") | {0x1F: " "}
_SPACES = re.compile(r"\s+")


def clean_text(text: str) -> str:
    """The text as it can be stored and searched.

    Drops NUL, control characters, soft hyphens, byte order marks, lone surrogates and non-characters; writes
    every kind of newline (form feed and U+2028 too) as a newline; composes accents (NFC), because people type
    "é" as one character and some programs write it as two.
    """
    if text.isascii():
        return text.replace("\r\n", "\n").translate(_ASCII)
    text = _NEWLINES.sub("\n", text)
    text = _DROPPED.sub("", text).replace("\x1f", " ")
    if _RARE.search(text):
        text = _DROPPED_RARE.sub("", text)
    return unicodedata.normalize("NFC", text)


def clean_page(text: str) -> str:
    """`clean_text` without blanks at line ends, and with at most one blank line in a row."""
    page = io.StringIO()
    page.writelines(_tidy_lines(clean_text(text)))
    return page.getvalue().strip()


def clean_line(text: str) -> str:
    """`clean_text` on one line: every run of white space becomes one blank."""
    return _SPACES.sub(" ", clean_text(text)).strip()


def lines_of(text: str) -> Iterator[str]:
    """The lines, each with its newline; unlike `io.StringIO` without a copy of four bytes a character."""
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield text[start : end + 1]
        start = end + 1
    if start < len(text):
        yield text[start:]


def _tidy_lines(text: str) -> Iterator[str]:
    after_blank = False
    for line in lines_of(text):
        tidy = line.rstrip()
        if tidy:
            yield tidy + "\n"
        elif not after_blank:
            yield "\n"
        after_blank = not tidy
