"""The table of contents of a zip (its central directory), read within limits and believed in nothing.

What stands here is what the archive *says* of each entry. Whether that is true is found out later: by the
guard, which compares it with each entry's own header, and by the reader, which counts the bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ingestion.archives.endrecord import DIRECTORY_MAGIC, EndRecord
from ingestion.archives.source import SeekableFile, read_at
from ingestion.errors import AmbiguousArchive, CorruptArchive, TooManyEntries, TruncatedArchive
from ingestion.limits import Limits

CENTRAL = struct.Struct("<4s6H3L5H2L")
SIGNATURE_MAGIC = b"PK\x05\x05"  # a digital signature may follow the last entry
ZIP64_EXTRA = 0x0001
UNSET16, UNSET32 = 0xFFFF, 0xFFFFFFFF


@dataclass(frozen=True, kw_only=True, slots=True)
class CentralEntry:
    """One entry as the table of contents describes it."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    compressed_size: int
    size: int
    header_offset: int
    external_attributes: int
    disk: int
    extra: bytes


def read_directory(file: SeekableFile, end: EndRecord, limits: Limits) -> list[CentralEntry]:
    """Read the whole table of contents; raises before reading it when the end record claims too much."""
    if end.entries > limits.max_entries:
        raise TooManyEntries(
            f"The archive says it holds {end.entries:,} entries; at most {limits.max_entries:,} are accepted "
            "(MAX_ENTRIES)."
        )
    if end.directory_size > limits.max_directory_bytes:
        raise TooManyEntries(
            f"The archive's table of contents is {end.directory_size:,} bytes long; at most "
            f"{limits.max_directory_bytes:,} are accepted (MAX_DIRECTORY_BYTES)."
        )
    data = read_at(file, _position(file, end), end.directory_size) if end.directory_size or end.entries else b""
    entries = _parse(data, limits)
    # Old programs keep only the last 16 bits of the count; such an archive is still a whole one.
    if len(entries) != end.entries and not (len(entries) > UNSET16 and len(entries) & UNSET16 == end.entries):
        raise CorruptArchive(
            f"The archive says it holds {end.entries:,} entries, but its table of contents lists {len(entries):,}."
        )
    return entries


def _position(file: SeekableFile, end: EndRecord) -> int:
    places = end.directory_positions(file)
    if len(places) > 1:
        raise AmbiguousArchive
    if not places:
        if end.directory_offset + end.directory_size > end.contents_end:
            raise TruncatedArchive("The archive is incomplete: its table of contents would lie beyond its end.")
        raise CorruptArchive("The archive's table of contents is not where its end record says.")
    if end.directory_offset > places[0]:
        raise TruncatedArchive("The archive is incomplete: bytes are missing from its middle.")
    return places[0]


def _parse(data: bytes, limits: Limits) -> list[CentralEntry]:
    entries: list[CentralEntry] = []
    at = 0
    while at < len(data):
        if data.startswith(SIGNATURE_MAGIC, at):
            break
        if len(data) - at < CENTRAL.size or not data.startswith(DIRECTORY_MAGIC, at):
            raise CorruptArchive
        if len(entries) == limits.max_entries:
            raise TooManyEntries(
                f"The archive lists more entries than the {limits.max_entries:,} accepted (MAX_ENTRIES)."
            )
        fields = CENTRAL.unpack_from(data, at)
        name_end = at + CENTRAL.size + fields[10]
        extra_end = name_end + fields[11]
        next_at = extra_end + fields[12]
        if next_at > len(data):
            raise CorruptArchive
        extra = data[name_end:extra_end]
        size, compressed, offset, disk = _with_zip64(fields[9], fields[8], fields[16], fields[13], extra)
        entries.append(
            CentralEntry(
                raw_name=data[at + CENTRAL.size : name_end],
                flags=fields[3],
                method=fields[4],
                crc=fields[7],
                compressed_size=compressed,
                size=size,
                header_offset=offset,
                external_attributes=fields[15],
                disk=disk,
                extra=extra,
            )
        )
        at = next_at
    return entries


def extra_fields(extra: bytes) -> dict[int, bytes]:
    """The extra fields of an entry by their number; what does not parse is left out."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        found.setdefault(kind, extra[at + 4 : at + 4 + length])
        at += 4 + length
    return found


def _with_zip64(size: int, compressed: int, offset: int, disk: int, extra: bytes) -> tuple[int, int, int, int]:
    """The values of an entry, those that did not fit their field taken from the zip64 extra field."""
    if UNSET32 not in (size, compressed, offset) and disk != UNSET16:
        return size, compressed, offset, disk
    wide = extra_fields(extra).get(ZIP64_EXTRA, b"")
    values = [size, compressed, offset]
    at = 0
    for index, value in enumerate(values):
        if value == UNSET32 and at + 8 <= len(wide):
            (values[index],) = struct.unpack_from("<Q", wide, at)
            at += 8
    if disk == UNSET16 and at + 4 <= len(wide):
        (disk,) = struct.unpack_from("<L", wide, at)
    return values[0], values[1], values[2], disk
