"""Word documents of before 2007 ([MS-DOC]): the text that the table of pieces puts together, story after story.

The body comes first, with the page breaks that its author set; below it stand notes, comments, text boxes, headers and
footers. Of a field (a link, a table of contents) its result is kept and not its instruction. Word 6 and 95 wrote the
text in the code page of the document's language.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ingestion.errors import ContentTooLarge, CorruptFile, PasswordRequired, UnsupportedFile
from ingestion.extract.contract import Extractor, PageWriter
from ingestion.extract.ole import document_title
from ingestion.sniffing.compound import BrokenOleError, OleFile

_HEADER = 0x1AA  # bytes of a document's header that are looked at
_WORD_6, _WORD_97 = 101, 193
_ENCRYPTED, _SECOND_TABLE, _IN_PIECES = 0x0100, 0x0200, 0x0004
_STORIES = ("body", "footnotes", "headers", "macros", "comments", "endnotes", "text boxes", "text boxes of headers")
_REPEATED = {"headers", "text boxes of headers"}  # each section has its own, mostly the same
_PROPERTIES, _PIECES = 1, 2  # what the parts of the table of pieces begin with
_ONE_BYTE = 1 << 30
_PARAGRAPH, _CELL, _PAGE, _FIELD, _RESULT, _FIELD_END = "\r", "\x07", "\x0c", "\x13", "\x14", "\x15"
_LINE_ENDS = {_PARAGRAPH, "\x0b", "\x0e"}
_SHOWN_AS = {"\x1e": "-"}  # a hyphen where no line may break; the other marks stand for what is no text
_MARKS = re.compile(r"([\x00-\x08\x0b-\x1f])")
_MAX_DEPTH = 500  # fields inside one another
# The code page of a language, by the lower ten bits of its number. All others write in Windows-1252.
_CODE_PAGES = {
    **dict.fromkeys((0x05, 0x0E, 0x15, 0x18, 0x1A, 0x1B, 0x1C, 0x24), "cp1250"),
    **dict.fromkeys((0x02, 0x19, 0x22, 0x23, 0x2F), "cp1251"),
    **dict.fromkeys((0x25, 0x26, 0x27), "cp1257"),
    0x08: "cp1253",
    0x1F: "cp1254",
    0x0D: "cp1255",
    0x01: "cp1256",
    0x29: "cp1256",
    0x2A: "cp1258",
    0x11: "cp932",
    0x12: "cp949",
    0x04: "gbk",
    0x1E: "cp874",
}


class _Piece(NamedTuple):
    """A run of the text: its first and last place in it, where its bytes begin, and how they are written."""

    first: int
    end: int
    offset: int
    width: int
    codec: str


def read(path: Path, out: PageWriter) -> None:
    """Write the body page by page, and the other stories below the last one."""
    with path.open("rb") as file:
        try:
            ole = OleFile(file)
            stream = _stream(ole, "worddocument", out)
            if len(stream) < _HEADER:
                raise CorruptFile("The file is damaged: the header of the document is cut off.")
            (flags,) = struct.unpack_from("<H", stream, 0x0A)
            if flags & _ENCRYPTED:
                raise PasswordRequired
            pieces = _pieces(stream, flags, ole, out)
        except BrokenOleError as error:
            raise CorruptFile(f"The file is damaged: {error}.") from error
        out.title(document_title(ole))
        if "objectpool" in ole.streams:
            out.warn("embedded_files_not_read", "files embedded in the document were not read")
    at = 0
    for story, length in zip(_STORIES, _lengths(stream), strict=True):
        if story != "macros":
            _write(_text(stream, pieces, at, at + length, out), out, story)
        at += length


def _stream(ole: OleFile, name: str, out: PageWriter) -> bytes:
    if name not in ole.streams:
        raise CorruptFile("The file is not a whole Word document, though it is an office file.")
    if ole.streams[name].size > out.limits.max_content_bytes:
        raise ContentTooLarge("The document is larger than the limit max_content_bytes allows.")
    return ole.read(name)


def _lengths(stream: bytes) -> tuple[int, ...]:
    """How many characters each story has."""
    return struct.unpack_from("<8L", stream, 0x4C if _version(stream) >= _WORD_97 else 0x34)


def _version(stream: bytes) -> int:
    (version,) = struct.unpack_from("<H", stream, 2)
    return int(version)


def _pieces(stream: bytes, flags: int, ole: OleFile, out: PageWriter) -> list[_Piece]:
    """The text's runs in their order; none of them says more than the file has bytes for."""
    if _version(stream) >= _WORD_97:
        table = _stream(ole, "1table" if flags & _SECOND_TABLE else "0table", out)
        pieces = _listed(_part(table, *struct.unpack_from("<LL", stream, 0x1A2)))
    elif _version(stream) >= _WORD_6:
        codec = _CODE_PAGES.get(struct.unpack_from("<H", stream, 6)[0] & 0x3FF, "cp1252")
        start, end = struct.unpack_from("<LL", stream, 0x18)
        pieces = [_Piece(0, max(0, end - start), start, 1, codec)]
        if flags & _IN_PIECES:
            listed = _listed(_part(stream, *struct.unpack_from("<LL", stream, 0x160)))
            pieces = [piece._replace(width=1, codec=codec) for piece in listed]
    else:
        raise UnsupportedFile(
            "Word documents of before Word 6 (1993) can not be read.",
            hint="Open it in Word or LibreOffice, save it as .docx and upload that.",
        )
    if pieces and pieces[-1].end > len(stream):
        raise CorruptFile("The file is damaged: it lists more text than it has.")
    return pieces


def _part(data: bytes, start: int, length: int) -> bytes:
    part = data[start : start + length]
    if len(part) < length:
        raise CorruptFile("The file is damaged: the list of its text is cut off.")
    return part


def _listed(table: bytes) -> list[_Piece]:
    """The pieces that a table lists, behind the properties in front of them."""
    at = 0
    while len(table) >= at + 5 and table[at] == _PROPERTIES:
        at += 3 + struct.unpack_from("<H", table, at + 1)[0]
    if len(table) < at + 5 or table[at] != _PIECES:
        raise CorruptFile("The file is damaged: the list of its text is missing.")
    (length,) = struct.unpack_from("<L", table, at + 1)
    listed = _part(table, at + 5, length)
    count = max(0, length - 4) // 12
    places = struct.unpack_from(f"<{count + 1}L", listed) if count else (0,)
    pieces = []
    for index in range(count):
        (where,) = struct.unpack_from("<L", listed, 4 * (count + 1) + 8 * index + 2)
        if places[index] > places[index + 1]:
            raise CorruptFile("The file is damaged: the pieces of its text are in disorder.")
        if where & _ONE_BYTE:
            offset, width, codec = (where & (_ONE_BYTE - 1)) // 2, 1, "cp1252"
        else:
            offset, width, codec = where, 2, "utf-16-le"
        pieces.append(_Piece(places[index], places[index + 1], offset, width, codec))
    return pieces


def _text(stream: bytes, pieces: list[_Piece], start: int, end: int, out: PageWriter) -> str:
    """The text between two places: all of it, or somewhat more than can be kept."""
    parts: list[str] = []
    left = 2 * out.limits.max_text_characters  # what is no text takes room here, too
    for piece in pieces:
        first, last = max(piece.first, start), min(piece.end, end)
        if first >= last or left <= 0:
            continue
        at = piece.offset + (first - piece.first) * piece.width
        raw = stream[at : at + (last - first) * piece.width]
        if len(raw) < (last - first) * piece.width:
            raise CorruptFile("The file is damaged: it ends before its text does.")
        parts.append(raw.decode(piece.codec, "replace"))
        left -= last - first
    return "".join(parts)


def _write(text: str, out: PageWriter, story: str) -> None:
    said: set[str] = set()
    for line in _lines(text):
        if out.full:
            break
        if line == _PAGE:
            if story == "body":
                out.end_page()
        elif story not in _REPEATED or line not in said:
            out.line(line)
            said.add(line)


def _lines(text: str) -> Iterator[str]:
    """Paragraphs, rows of tables, and `_PAGE` where a page or a section ends."""
    fields: list[bool] = []  # those that are open here: whether their result has begun
    whole = text.count(_FIELD) == text.count(_FIELD_END)  # else an instruction without an end would hide the rest
    line: list[str] = []
    row: list[str] = []
    after_cell = False
    for piece in _MARKS.split(text):
        if piece == _FIELD and whole and len(fields) < _MAX_DEPTH:
            fields.append(False)
        elif piece == _RESULT and fields:
            fields[-1] = True
        elif piece == _FIELD_END and fields:
            fields.pop()
        elif not piece or not all(fields):
            continue
        elif piece == _CELL and not after_cell:
            row.append("".join(line).strip())
            line.clear()
        elif piece in _LINE_ENDS or piece in (_PAGE, _CELL):  # two marks of cells in a row: the row ends
            yield _row(row, line)
            line.clear()
            row.clear()
            if piece == _PAGE:
                yield _PAGE
        elif len(piece) > 1 or not _MARKS.match(piece):
            line.append(piece)
        else:
            line.append(_SHOWN_AS.get(piece, ""))
        after_cell = piece == _CELL and not after_cell
    if line or row:
        yield _row(row, line)


def _row(cells: list[str], line: list[str]) -> str:
    """A paragraph, or the cells before it in its row and itself, but for those that are empty."""
    return " | ".join(cell for cell in (*cells, "".join(line)) if cell)


EXTRACTOR = Extractor(name="doc", version=1, read=read)
