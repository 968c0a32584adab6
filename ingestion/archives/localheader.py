"""Each entry's own header: where the data begin, and whether it contradicts the table of contents."""

from __future__ import annotations

import struct
from typing import NamedTuple

from ingestion.archives.directory import UNSET32, ZIP64_EXTRA, CentralEntry, extra_fields
from ingestion.archives.endrecord import LOCAL_MAGIC
from ingestion.archives.methods import METHOD_STORED, unsupported_reason
from ingestion.archives.source import SeekableFile, read_at
from ingestion.errors import CorruptEntry, EntryFailed, HeaderMismatch, SizeMismatch, UnsupportedCompression

LOCAL = struct.Struct("<4s5H3L2H")
PROBED_ENTRIES = 8


class Located(NamedTuple):
    """Where an entry's data begin (0 where that is unknown) and what speaks against reading them."""

    data_offset: int
    problem: EntryFailed | None


def offset_shift(file: SeekableFile, entries: list[CentralEntry], moved_by: int) -> int:
    """How far all entries lie behind their stated offsets: bytes put in front of an archive move them all.

    Some programs correct the offsets when they add such bytes and some do not, so the entries are asked.
    """
    for entry in entries[:PROBED_ENTRIES]:
        for shift in (moved_by, 0):
            if read_at(file, entry.header_offset + shift, 4) == LOCAL_MAGIC:
                return shift
    return moved_by


def locate(file: SeekableFile, entry: CentralEntry, shift: int, data_limit: int) -> Located:
    """Read an entry's own header and compare it with what the table of contents says."""
    at = entry.header_offset + shift
    raw = read_at(file, at, LOCAL.size)
    if len(raw) < LOCAL.size or not raw.startswith(LOCAL_MAGIC):
        return Located(0, CorruptEntry("The archive has no file data where its table of contents says."))
    _, _, _, method, _, _, _, compressed, size, name_length, extra_length = LOCAL.unpack(raw)
    tail = read_at(file, at + LOCAL.size, name_length + extra_length)
    name, extra = tail[:name_length], tail[name_length:]
    data_offset = at + LOCAL.size + name_length + extra_length
    compressed, size = _with_zip64(compressed, size, extra)
    if data_offset + entry.compressed_size > data_limit:
        return Located(0, CorruptEntry("The file's data would run past the end of the archive."))
    if name != entry.raw_name:
        return Located(data_offset, HeaderMismatch("The archive gives this file two different names."))
    if method != entry.method:
        return Located(data_offset, HeaderMismatch("The archive names two different compressions for this file."))
    # Zeros mean that the sizes were not known yet when the header was written; they follow after the data.
    if (compressed, size) != (0, 0) and (compressed, size) != (entry.compressed_size, entry.size):
        return Located(data_offset, SizeMismatch("The archive gives this file two different sizes."))
    if entry.method == METHOD_STORED and entry.size != entry.compressed_size:
        return Located(data_offset, SizeMismatch("The file is stored uncompressed, yet with two different sizes."))
    reason = unsupported_reason(entry.method)
    return Located(data_offset, UnsupportedCompression(reason) if reason else None)


def _with_zip64(compressed: int, size: int, extra: bytes) -> tuple[int, int]:
    if UNSET32 not in (compressed, size):
        return compressed, size
    wide = extra_fields(extra).get(ZIP64_EXTRA, b"")
    values = [size, compressed]
    at = 0
    for index, value in enumerate(values):
        if value == UNSET32 and at + 8 <= len(wide):
            (values[index],) = struct.unpack_from("<Q", wide, at)
            at += 8
    return values[1], values[0]
