"""OLE files, the container of Office before 2007: streams in chains of sectors, told apart by their names.

No chain is trusted to end: each is followed for as many sectors as the file has and no further.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from ingestion.archives.source import SeekableFile, read_at, size_of

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
HEADER_BYTES = 512
ENTRY_BYTES = 128
MAX_DIRECTORY_SECTORS = 256
NO_SECTOR = 0xFFFFFFF0  # this and above are marks, not sectors
SMALL_STREAM = 4096  # smaller ones lie together in one stream, in sectors of 64 bytes
_SMALL_SECTOR = 64
_TABLES_IN_HEADER = 109

# In this order: an encrypted package stands beside nothing else, and old Excel files may hold both books.
_STREAMS = {
    "encryptedpackage": "encrypted_office",
    "worddocument": "doc",
    "workbook": "xls",
    "book": "xls",
    "powerpoint document": "ppt",
    "visiodocument": "vsd",
    "__properties_version1.0": "msg",
}


class BrokenOleError(ValueError):
    """The file's sectors do not hang together."""


class OleStream(NamedTuple):
    """One stream: where it begins, and its size in bytes."""

    start: int
    size: int


class OleFile:
    """The streams at the top level, by their names in lower case. What lies deeper belongs to embedded documents."""

    def __init__(self, file: SeekableFile) -> None:
        self._file = file
        header = read_at(file, 0, HEADER_BYTES)
        if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
            raise BrokenOleError("its header is missing")
        (shift,) = struct.unpack_from("<H", header, 30)
        if shift not in (9, 12):
            raise BrokenOleError("its sectors have no known size")
        self._sector = 1 << shift
        self._sectors = size_of(file) // self._sector + 1
        self._tables = list(struct.unpack_from(f"<{_TABLES_IN_HEADER}L", header, 76))
        directory, self._small_table_start, self._more_tables = struct.unpack_from("<L8xL4xL", header, 48)
        self._table_cache: dict[int, tuple[int, ...]] = {}
        entries = _entries(b"".join(self._blocks(directory, MAX_DIRECTORY_SECTORS)))
        self._small_streams, self.streams = entries

    def read(self, name: str) -> bytes:
        """All bytes of a stream."""
        stream = self.streams[name]
        data = self._bytes(stream) if stream.size >= SMALL_STREAM else self._small(stream)
        if len(data) < stream.size:
            raise BrokenOleError("it ends before its content does")
        return data

    def _bytes(self, stream: OleStream) -> bytes:
        count = min(-(-stream.size // self._sector), self._sectors)
        return b"".join(self._blocks(stream.start, count))[: stream.size]

    def _small(self, stream: OleStream) -> bytes:
        together = self._bytes(self._small_streams)
        table = _numbers(b"".join(self._blocks(self._small_table_start, self._sectors))[: len(together)])
        found = bytearray()
        sector = stream.start
        while len(found) < stream.size and sector < len(table):
            found += together[sector * _SMALL_SECTOR : (sector + 1) * _SMALL_SECTOR]
            sector = table[sector]
        return bytes(found[: stream.size])

    def _blocks(self, sector: int, count: int) -> Iterator[bytes]:
        """The sectors of a chain, `count` at most."""
        while sector < NO_SECTOR and count > 0:
            yield read_at(self._file, (sector + 1) * self._sector, self._sector)
            sector = self._next(sector)
            count -= 1

    def _next(self, sector: int) -> int:
        index, place = divmod(sector, self._sector // 4)
        table = self._table_cache.get(index)
        if table is None:
            where = self._where_table_is(index)
            raw = read_at(self._file, (where + 1) * self._sector, self._sector) if where < NO_SECTOR else b""
            table = self._table_cache[index] = _numbers(raw)
        return table[place] if place < len(table) else NO_SECTOR

    def _where_table_is(self, index: int) -> int:
        """The sector of one table of sectors. Those beyond the header's list are listed in a chain of their own."""
        while index >= len(self._tables) and self._more_tables < NO_SECTOR and len(self._tables) < self._sectors:
            raw = read_at(self._file, (self._more_tables + 1) * self._sector, self._sector)
            if len(raw) < self._sector:
                break
            *more, self._more_tables = struct.unpack(f"<{self._sector // 4}L", raw)
            self._tables += more
        return self._tables[index] if index < len(self._tables) else NO_SECTOR


def _numbers(raw: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(raw) // 4}L", raw[: len(raw) // 4 * 4])


def by_streams(file: SeekableFile) -> str:
    """The type of an OLE file; `ole` when it is none of those known or too damaged to tell."""
    try:
        names = OleFile(file).streams
    except (BrokenOleError, struct.error):
        return "ole"
    for stream, detected in _STREAMS.items():
        if stream in names:
            return detected
    return "ole"


def _entries(directory: bytes) -> tuple[OleStream, dict[str, OleStream]]:
    """The stream of the small streams, and those right below the root."""
    count = len(directory) // ENTRY_BYTES
    if not count:
        raise BrokenOleError("its directory is missing")
    (child,) = struct.unpack_from("<L", directory, 76)
    found: dict[str, OleStream] = {}
    waiting, seen = [child], set[int]()
    while waiting:
        index = waiting.pop()
        if index >= count or index in seen:
            continue
        seen.add(index)
        entry = directory[index * ENTRY_BYTES : (index + 1) * ENTRY_BYTES]
        length, left, right = (*struct.unpack_from("<H", entry, 64), *struct.unpack_from("<LL", entry, 68))
        name = entry[: max(0, min(length, 64) - 2)].decode("utf-16-le", "replace").lower()
        found.setdefault(name, OleStream(*struct.unpack_from("<LL", entry, 116)))
        waiting += [left, right]
    return OleStream(*struct.unpack_from("<LL", directory, 116)), found
