"""OLE files, the container of Office before 2007: told apart by the streams at their top level."""

from __future__ import annotations

import struct

from ingestion.archives.source import SeekableFile, read_at

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENTRY_BYTES = 128
MAX_DIRECTORY_SECTORS = 256
NO_SECTOR = 0xFFFFFFF0  # this and above are marks, not sectors

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


def by_streams(file: SeekableFile) -> str:
    """The type of an OLE file; `ole` when it is none of those known or too damaged to tell."""
    try:
        names = _top_level_names(_directory(file))
    except (struct.error, IndexError):
        names = set()
    for stream, detected in _STREAMS.items():
        if stream in names:
            return detected
    return "ole"


def _directory(file: SeekableFile) -> bytes:
    """All sectors of the directory, as far as the allocation table leads."""
    header = read_at(file, 0, 512)
    (shift,) = struct.unpack_from("<H", header, 30)
    if shift not in (9, 12):
        return b""
    size = 1 << shift
    table_sectors = struct.unpack_from("<109L", header, 76)
    (sector,) = struct.unpack_from("<L", header, 48)
    found: list[bytes] = []
    seen: set[int] = set()
    while sector < NO_SECTOR and sector not in seen and len(seen) < MAX_DIRECTORY_SECTORS:
        seen.add(sector)
        found.append(read_at(file, (sector + 1) * size, size))
        sector = _next_sector(file, sector, size, table_sectors)
    return b"".join(found)


def _next_sector(file: SeekableFile, sector: int, size: int, table_sectors: tuple[int, ...]) -> int:
    table, index = divmod(sector, size // 4)
    if table >= len(table_sectors) or table_sectors[table] >= NO_SECTOR:
        return NO_SECTOR
    raw = read_at(file, (table_sectors[table] + 1) * size + index * 4, 4)
    return int.from_bytes(raw, "little") if len(raw) == 4 else NO_SECTOR


def _top_level_names(directory: bytes) -> set[str]:
    """Names right below the root. What lies deeper belongs to documents embedded in this one."""
    names: set[str] = set()
    count = len(directory) // ENTRY_BYTES
    if not count:
        return names
    (child,) = struct.unpack_from("<L", directory, 76)
    waiting, seen = [child], set[int]()
    while waiting:
        index = waiting.pop()
        if index >= count or index in seen:
            continue
        seen.add(index)
        entry = directory[index * ENTRY_BYTES : (index + 1) * ENTRY_BYTES]
        length, left, right = (*struct.unpack_from("<H", entry, 64), *struct.unpack_from("<LL", entry, 68))
        names.add(entry[: max(0, min(length, 64) - 2)].decode("utf-16-le", "replace").lower())
        waiting += [left, right]
    return names
