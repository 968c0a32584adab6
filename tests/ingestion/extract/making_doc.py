"""Small Word documents of before 2007, made by hand, so that a test can put anything into one."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Mapping, Sequence

from ingestion.sniffing.compound import MAGIC

FREE, END, TABLE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
SECTOR = 512
HEADER = 0x400  # where the text begins
ENCRYPTED, SECOND_TABLE, IN_PIECES = 0x0100, 0x0200, 0x0004


def container(streams: Mapping[str, bytes]) -> bytes:
    """An OLE file with these streams, each padded to the size from which on it lies in sectors of its own."""
    sectors, chain, entries = b"", [], [_entry("Root Entry", 5, child=1)]
    for number, (name, data) in enumerate(streams.items(), start=1):
        padded = data.ljust(max(4096, -(-len(data) // SECTOR) * SECTOR), b"\x00")
        right = number + 1 if number < len(streams) else FREE
        entries.append(_entry(name, 2, right=right, start=len(chain), size=max(4096, len(data))))
        first, count = len(chain), len(padded) // SECTOR
        chain += [*range(first + 1, first + count), END]
        sectors += padded
    directory, listed = len(chain), b"".join(entries)
    listed = listed.ljust(-(-len(listed) // SECTOR) * SECTOR, b"\x00")
    chain += [*range(directory + 1, directory + len(listed) // SECTOR), END]
    tables = -(-len(chain) // (SECTOR // 4 - 1))
    places = range(len(chain), len(chain) + tables)
    chain += [TABLE] * tables
    chain += [FREE] * (tables * SECTOR // 4 - len(chain))
    header = struct.pack("<8s16x5H6x9L", MAGIC, 0x3E, 3, 0xFFFE, 9, 6, 0, tables, directory, 0, 4096, END, 0, END, 0)
    header += struct.pack("<109L", *places, *[FREE] * (109 - tables))
    return header + sectors + listed + struct.pack(f"<{len(chain)}L", *chain)


def _entry(name: str, kind: int, *, child: int = FREE, right: int = FREE, start: int = 0, size: int = 0) -> bytes:
    encoded = name.encode("utf-16-le")
    return struct.pack("<64sHBB3L16xL16xLQ", encoded, len(encoded) + 2, kind, 1, FREE, right, child, 0, start, size)


def doc_of(
    *pieces: str | bytes,
    stories: Sequence[int] = (),
    flags: int = SECOND_TABLE,
    properties: bytes = b"",
    changes: Mapping[int, bytes] | None = None,
) -> bytes:
    """A Word 97 document: bytes are a piece of one byte a character, a text one of two bytes each.

    `stories` are the lengths of footnotes, headers and the rest, taken from the end of the text; `changes` are
    bytes of the table of pieces to overwrite, by their place.
    """
    text, places, listed = b"", [0], b""
    for piece in pieces:
        where = HEADER + len(text)
        raw = piece if isinstance(piece, bytes) else piece.encode("utf-16-le")
        places.append(places[-1] + (len(raw) if isinstance(piece, bytes) else len(raw) // 2))
        listed += struct.pack("<HLH", 0, (where * 2 | 1 << 30) if isinstance(piece, bytes) else where, 0)
        text += raw
    table = struct.pack(f"<{len(places)}L", *places) + listed
    clx = bytearray(properties + struct.pack("<BL", 2, len(table)) + table)
    for place, data in (changes or {}).items():
        clx[place : place + len(data)] = data
    header = bytearray(HEADER)
    struct.pack_into("<HHHHHH", header, 0, 0xA5EC, 193, 0, 0x0409, 0, flags)
    lengths = [places[-1] - sum(stories), *stories, *[0] * (7 - len(stories))]
    struct.pack_into("<8L", header, 0x4C, *lengths)
    struct.pack_into("<LL", header, 0x1A2, 0, len(clx))
    name = "1Table" if flags & SECOND_TABLE else "0Table"
    return container({"WordDocument": bytes(header) + text, name: bytes(clx)})


def word_6_of(text: bytes, *, language: int = 0x0409, version: int = 101, pieces: Sequence[int] = ()) -> bytes:
    """A Word 6 document, whose text lies in one run, or in pieces that end at these places, stored in turned order."""
    header = bytearray(HEADER)
    struct.pack_into("<HHHHHH", header, 0, 0xA5DC, version, 0, language, 0, IN_PIECES if pieces else 0)
    struct.pack_into("<LL", header, 0x18, HEADER, HEADER + len(text))
    struct.pack_into("<L", header, 0x34, len(text))
    stored, clx = text, b""
    if pieces:
        places = [0, *pieces, len(text)]
        runs = [text[start:end] for start, end in itertools.pairwise(places)]
        stored = b"".join(reversed(runs))
        wheres = [HEADER + sum(map(len, runs[number + 1 :])) for number in range(len(runs))]
        table = struct.pack(f"<{len(places)}L", *places) + b"".join(struct.pack("<HLH", 0, w, 0) for w in wheres)
        clx = struct.pack("<BL", 2, len(table)) + table
        struct.pack_into("<LL", header, 0x160, HEADER + len(text), len(clx))
    return container({"WordDocument": bytes(header) + stored + clx})
