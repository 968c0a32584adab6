"""The end record of a zip: where its table of contents lies and how many entries it claims to have.

Everything else in a zip is found from here, so this is where a hostile archive starts its lies. An archive of
a million entries is refused on what this record says, before its table of contents is looked at.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from ingestion.archives.source import SeekableFile, read_at
from ingestion.errors import (
    AmbiguousArchive,
    EmptyUpload,
    IngestionError,
    MultiVolumeArchive,
    NotAZip,
    TruncatedArchive,
    UnsupportedArchive,
)

END_MAGIC, DIRECTORY_MAGIC, LOCAL_MAGIC = b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04"
LOCATOR_MAGIC, END64_MAGIC, SPLIT_MAGIC = b"PK\x06\x07", b"PK\x06\x06", b"PK\x07\x08"
END = struct.Struct("<4s4H2LH")
LOCATOR = struct.Struct("<4sLQL")
END64 = struct.Struct("<4sQ2H2L4Q")
TAIL_BYTES = END.size + 0xFFFF  # an end record is followed by at most 64 KiB of comment

# Other archives that people call "a zip"; told apart so that the refusal can say what the file is.
OTHER_ARCHIVES = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"MSCF": "cab",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class EndRecord:
    """One end record, with the zip64 values put in where the record points to them."""

    position: int
    contents_end: int  # where the table of contents should end: at the zip64 end record, else at this record
    spanned: bool  # other parts of the archive are in other files
    contradictory: bool  # the zip64 record and the plain one say different things
    entries: int
    directory_size: int
    directory_offset: int  # as stated; bytes in front of the archive may have moved it
    reaches_end: bool  # the record's comment ends exactly where the file ends

    def directory_positions(self, file: SeekableFile) -> list[int]:
        """Where a table of contents of the stated size really starts: just before its end, or as stated."""
        adjacent = self.contents_end - self.directory_size
        places = {adjacent, self.directory_offset}
        fitting = [p for p in places if p >= 0 and p + self.directory_size <= self.contents_end]
        return sorted((p for p in fitting if read_at(file, p, 4) == DIRECTORY_MAGIC), key=lambda p: p != adjacent)

    def is_plausible(self, file: SeekableFile) -> bool:
        """Would some program take this for the archive's end record?"""
        if self.entries == 0:
            return self.reaches_end and self.directory_size == 0
        return bool(self.directory_positions(file))


def find_end_record(file: SeekableFile, size: int) -> EndRecord:
    """Find the end record that an honest archive would have; raises what the file is when it has none."""
    candidates = end_records_in(file, max(0, size - TAIL_BYTES), size, size)
    if not candidates:
        raise _why_no_end_record(file, size)
    plausible = [record for record in candidates if record.is_plausible(file)]
    exact = [record for record in plausible if record.reaches_end]
    record = (exact or plausible or [c for c in candidates if c.reaches_end] or candidates)[-1]
    if record.spanned:
        raise MultiVolumeArchive
    if record.contradictory:
        raise AmbiguousArchive("The archive has two end records that contradict each other.")
    return record


def end_records_in(file: SeekableFile, start: int, stop: int, size: int) -> list[EndRecord]:
    """All end records whose signature lies in a part of the file, in the order of the file."""
    data = read_at(file, start, stop - start)
    found: list[EndRecord] = []
    at = data.find(END_MAGIC)
    while at >= 0:
        record = _parse(file, start + at, size)
        if record is not None:
            found.append(record)
        at = data.find(END_MAGIC, at + 1)
    return found


def _parse(file: SeekableFile, position: int, size: int) -> EndRecord | None:
    raw = read_at(file, position, END.size)
    if len(raw) < END.size:
        return None
    _, disk, directory_disk, here, total, length, offset, comment = END.unpack(raw)
    spanned, contradictory = bool(disk or directory_disk or here != total), False
    zip64 = _zip64(file, position)
    if zip64 is not None:
        # A field of the plain record either says "look there" (all bits set) or the same as the zip64 record.
        spanned = zip64.spanned or not {disk, directory_disk} <= {0, 0xFFFF}
        contradictory = (
            total not in (0xFFFF, zip64.entries)
            or length not in (0xFFFFFFFF, zip64.directory_size)
            or offset not in (0xFFFFFFFF, zip64.directory_offset)
        )
        total, length, offset = zip64.entries, zip64.directory_size, zip64.directory_offset
    return EndRecord(
        position=position,
        contents_end=position if zip64 is None else zip64.position,
        spanned=spanned,
        contradictory=contradictory,
        entries=total,
        directory_size=length,
        directory_offset=offset,
        reaches_end=position + END.size + comment == size,
    )


class _Zip64(NamedTuple):
    position: int
    spanned: bool
    entries: int
    directory_size: int
    directory_offset: int


def _zip64(file: SeekableFile, position: int) -> _Zip64 | None:
    """The zip64 end record that belongs to the end record at `position`."""
    locator_at = position - LOCATOR.size
    raw = read_at(file, locator_at, LOCATOR.size)
    if len(raw) < LOCATOR.size or not raw.startswith(LOCATOR_MAGIC):
        return None
    _, locator_disk, stated, disk_count = LOCATOR.unpack(raw)
    # Just before the locator first: bytes put in front of the archive make the stated place wrong.
    for at in (locator_at - END64.size, stated):
        record = read_at(file, at, END64.size) if at < locator_at else b""
        if len(record) == END64.size and record.startswith(END64_MAGIC):
            _, _, _, _, disk, directory_disk, here, total, length, offset = END64.unpack(record)
            spanned = bool(locator_disk or disk or directory_disk or here != total or disk_count > 1)
            return _Zip64(at, spanned, total, length, offset)
    return None


def _why_no_end_record(file: SeekableFile, size: int) -> IngestionError:
    """A file without an end record is an archive cut short, a part of one, or no zip at all."""
    if size == 0:
        return EmptyUpload()
    head = read_at(file, 0, 512)
    if head.startswith(SPLIT_MAGIC):
        return MultiVolumeArchive()
    if head.startswith((LOCAL_MAGIC, END_MAGIC, b"PK00PK")):
        return TruncatedArchive()
    for magic, name in OTHER_ARCHIVES.items():
        if head.startswith(magic):
            return UnsupportedArchive(f"The file is a {name} archive, not a zip.")
    if head[257:262] == b"ustar":
        return UnsupportedArchive("The file is a tar archive, not a zip.")
    if head.lstrip()[:64].lower().startswith((b"<!doctype html", b"<html")):
        return NotAZip("The file is a web page (HTML), not a zip archive: perhaps an error page saved as one.")
    return NotAZip()
