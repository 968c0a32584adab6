"""RTF: the text as Word shows it, each run in the code page of its font, notes below their paragraph.

Groups may be nested as deep as they like: they are a list, not calls. A group without text is passed over by one
search for its end, so that megabytes of pictures cost little.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ingestion.errors import CorruptFile
from ingestion.extract import rtf_words as words
from ingestion.extract.contract import Extractor, PageWriter
from ingestion.extract.rtf_code_pages import CodePages
from ingestion.extract.rtf_lines import Aside, Body, Lines

MAX_GROUPS = 1_000_000
_MAGIC = b"{\\rtf"
_TOKEN = re.compile(
    rb"([^\\{}\r\n\x00]{1,65536})|\\'([0-9A-Fa-f]{2})|([{}])|\\([A-Za-z]{1,64})(-?\d{1,10})? ?|\\([^A-Za-z])"
    rb"|[\r\n\x00]+",
    re.DOTALL,
)
_TEXT, _HEX, _BRACE, _WORD, _NUMBER, _SYMBOL = range(1, 7)
_BRACES = re.compile(rb"\\bin(\d{1,10}) ?|\\.|[{}]", re.DOTALL)


def read(path: Path, out: PageWriter) -> None:
    """Write the body page by page, headers and footers at the end."""
    with path.open("rb") as stream:
        if stream.read(len(_MAGIC)) != _MAGIC:
            raise CorruptFile("The file is damaged: it does not begin as RTF does.")
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _Reader(data, out).run()


# What ends lines, cells, rows and pages, told whether it stands in a table.
_LAYOUT: dict[bytes, Callable[[Lines, bool], None]] = {
    b"par": lambda lines, in_table: lines.end_paragraph(in_table),
    b"cell": lambda lines, _: lines.end_cell(),
    b"nestcell": lambda lines, _: lines.text_is(" | "),
    b"row": lambda lines, _: lines.end_row(),
    b"nestrow": lambda lines, _: lines.end_paragraph(in_table=True),
    b"page": lambda lines, _: lines.end_page(),
    b"pagebb": lambda lines, _: lines.end_page_with_text(),
    b"softpage": lambda lines, _: lines.end_page_with_text(),
    b"sect": lambda lines, _: lines.end_section(),
    b"sbknone": lambda lines, _: lines.section_goes_on(),
    b"sbkcol": lambda lines, _: lines.section_goes_on(),
}


class _State(NamedTuple):
    """What ends with the group it was set in."""

    lines: Lines
    font: int | None = None
    fallback: int = 1  # characters behind a Unicode character for programs that do not know it
    deleted: bool = False
    in_table: bool = False
    place: bytes = b""  # "fonttbl" or "info", where text is not text


class _Reader:
    def __init__(self, data: mmap.mmap, out: PageWriter) -> None:
        self._data = data
        self._out = out
        self._body = Body(out)
        self._groups: list[_State] = []
        self._state = _State(self._body)
        self._fresh = self._starred = False  # at the beginning of a group, and behind its star
        self._skip = 0  # characters of a fallback that are still to come
        self._bytes = bytearray()  # text that is not decoded yet: a character may be two bytes
        self._code_pages = CodePages()
        self._embedded = 0
        self._around: dict[str, None] = {}  # headers and footers, each once
        self._left = out.limits.max_text_characters

    def run(self) -> None:
        """Read to the end of the outermost group, or until there is enough text."""
        at = 0
        while not self._out.full and self._left >= 0:
            match = _TOKEN.match(self._data, at)
            if match is None:
                break
            at = match.end()
            kind = match.lastindex
            if kind == _TEXT:
                self._text(match[_TEXT])
            elif kind == _HEX:
                self._text(bytes.fromhex(match[_HEX].decode()))
            elif kind == _BRACE:
                if match[_BRACE] == b"{":
                    self._open()
                elif self._close():
                    break
            elif kind == _SYMBOL:
                self._symbol(match[_SYMBOL])
            elif kind is not None:
                at = self._word(match[_WORD], match[_NUMBER], at)
        self._finish()

    def _open(self) -> None:
        self._decode()
        if len(self._groups) >= MAX_GROUPS:
            raise CorruptFile("The file is damaged: its groups are nested absurdly deeply.")
        self._groups.append(self._state)
        self._fresh, self._starred, self._skip = True, False, 0

    def _close(self) -> bool:
        """End a group; tells whether it was the outermost one."""
        self._decode()
        self._fresh, self._skip = False, 0
        inner = self._state
        if self._groups:
            self._state = self._groups.pop()
        if inner.lines is not self._state.lines:
            self._end_aside(inner.lines)
        return not self._groups

    def _end_aside(self, lines: Lines) -> None:
        if not isinstance(lines, Aside):
            return
        text = lines.text()
        if lines.kind == words.TITLE:
            self._out.title(text)
        elif lines.kind in words.NOTES:
            self._body.note(text)
        elif text:
            self._around[text] = None

    def _text(self, data: bytes) -> None:
        self._fresh = False
        if self._skip:
            dropped = min(self._skip, len(data))
            self._skip -= dropped
            data = data[dropped:]
        if not self._state.place and not self._state.deleted:
            self._bytes += data
            if len(self._bytes) > self._left:
                self._decode()

    def _write(self, text: str) -> None:
        """A character that is not in any code page."""
        self._decode()
        if not self._state.place and not self._state.deleted:
            self._left -= len(text)
            self._state.lines.text_is(text)

    def _decode(self) -> None:
        """Turn the bytes so far into text, before anything changes what they mean."""
        if not self._bytes:
            return
        text = self._code_pages.decode(self._bytes, self._state.font)
        self._bytes.clear()
        self._left -= len(text)
        self._state.lines.text_is(text)

    def _symbol(self, symbol: bytes) -> None:
        if symbol == b"*" and self._fresh:
            self._starred = True
            return
        self._fresh = False
        if symbol in (b"\\", b"{", b"}"):
            self._text(symbol)
        elif symbol in (b"\r", b"\n"):
            self._layout(b"par", None)
        elif symbol in words.SYMBOLS:
            self._write(words.SYMBOLS[symbol])

    def _word(self, word: bytes, number: bytes | None, at: int) -> int:
        """One control word; returns where to read on."""
        fresh, starred = self._fresh, self._starred
        self._fresh = self._starred = False
        value = None if number is None else int(number)
        if word == b"bin":
            return min(at + max(0, value or 0), len(self._data))
        if (fresh and self._begins_nothing(word, starred)) or (word in words.BYTES and len(self._groups) > 1):
            return self._end_of_group(at)
        if fresh and self._begins_place(word):
            return at
        if self._state.place == b"fonttbl":
            self._code_pages.describe_font(word, value)
        elif word == b"u" and value is not None:
            self._unicode(value)
        elif word in words.CHARACTERS:
            if self._skip:
                self._skip -= 1
            else:
                self._write(words.CHARACTERS[word])
        else:
            self._skip = 0
            if not self._set(word, value):
                self._layout(word, value)
        return at

    def _begins_nothing(self, word: bytes, starred: bool) -> bool:
        if word in words.STARRED_TEXT:
            return False
        return starred or word in words.WITHOUT_TEXT

    def _begins_place(self, word: bytes) -> bool:
        """Whether the group that begins with this word is a place of its own."""
        if word in (b"fonttbl", b"info"):
            self._state = self._state._replace(place=word)
        elif word in words.ASIDE or (word == words.TITLE and self._state.place == b"info"):
            self._state = self._state._replace(lines=Aside(word), place=b"", in_table=False)
        else:
            return False
        return True

    def _end_of_group(self, at: int) -> int:
        """Where the group ends that `at` lies in; its closing brace is still to be read."""
        depth = 1
        while match := _BRACES.search(self._data, at):
            at = match.end()
            if match[1] is not None:
                at = min(at + int(match[1]), len(self._data))
            elif match[0] == b"{":
                depth += 1
            elif match[0] == b"}":
                depth -= 1
                if not depth:
                    return match.start()
        return len(self._data)

    def _unicode(self, value: int) -> None:
        code = value & 0xFFFF if value < 0x10000 else value
        if 0xF020 <= code <= 0xF0FF:  # a symbol font's own character, as the byte that stands for it
            code -= 0xF000
        if code < 0x110000:
            self._write(chr(code))
        self._skip = self._state.fallback

    def _set(self, word: bytes, value: int | None) -> bool:
        """Words that change what later text means; tells whether this is one."""
        state = self._state
        if word == b"f":
            state = state._replace(font=value)
        elif word == b"uc":
            state = state._replace(fallback=max(0, value or 0))
        elif word == b"deleted":
            state = state._replace(deleted=value != 0)
        elif word == b"plain":
            state = state._replace(font=None, deleted=False)
        elif word in (b"pard", b"intbl"):
            state = state._replace(in_table=word == b"intbl")
        else:
            return self._code_pages.set(word, value)
        if state is not self._state:
            self._decode()
            self._state = state
        return True

    def _layout(self, word: bytes, value: int | None) -> None:
        """Words that end lines, cells, rows and pages."""
        if word == b"objemb":
            self._embedded += 1
        ends = _LAYOUT.get(word)
        if ends is None or self._state.place or (word == b"pagebb" and value == 0):
            return
        self._decode()
        self._left -= 1
        ends(self._state.lines, self._state.in_table)

    def _finish(self) -> None:
        truncated = bool(self._groups) and not self._out.full and self._left >= 0
        self._decode()
        self._end_aside(self._state.lines)
        self._body.finish()
        for text in self._around:
            self._out.line(text)
        if self._left < 0:
            self._out.warn_of_cut_text()
        if damaged := self._code_pages.damaged:
            self._out.warn("encoding_damaged", f"{damaged:,} characters could not be read and became \ufffd")
        if self._embedded:
            self._out.warn(
                "embedded_files_not_read", f"files embedded in the document that were not read: {self._embedded}"
            )
        if truncated and not self._body.has_text:
            raise CorruptFile("The file is damaged: it ends before its text begins.")
        if truncated:
            self._out.warn("file_incomplete", "the file ends in the middle; what stands before was read")


EXTRACTOR = Extractor(name="rtf", version=1, read=read)
