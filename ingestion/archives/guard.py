"""The checks that refuse an archive as a whole, before a byte of it is unpacked."""

from __future__ import annotations

import itertools
import stat
from collections.abc import Sequence

from ingestion.archives.directory import CentralEntry, extra_fields
from ingestion.archives.endrecord import TAIL_BYTES, EndRecord, end_records_in
from ingestion.archives.entries import PlannedEntry
from ingestion.archives.methods import METHOD_AES
from ingestion.archives.names import printable
from ingestion.archives.source import SeekableFile
from ingestion.errors import (
    AmbiguousArchive,
    EncryptedArchive,
    ExtractedTooLarge,
    LinkEntry,
    MultiVolumeArchive,
    OverlappingEntries,
    RatioExceeded,
)
from ingestion.limits import Limits

ENCRYPTED_FLAGS = 1 << 0 | 1 << 6 | 1 << 13  # encrypted, strongly encrypted, with a masked table of contents
UNIX_EXTRA, UNIX_EXTRA_BYTES = 0x000D, 12  # times and owner; beyond them stands what a link points to
_NOT_FILES = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}  # a pipe (S_IFIFO) is what Info-ZIP notes for a file that it was sent through one


def refuse_by_kind(entry: CentralEntry, name: str) -> None:
    """Refuse what is not a plain file of this one archive: links, devices, ciphertext, parts elsewhere."""
    if entry.flags & ENCRYPTED_FLAGS or entry.method == METHOD_AES:
        raise EncryptedArchive(f"The archive is encrypted, at least the file {printable(name)[:200]}.")
    kind = _NOT_FILES.get(stat.S_IFMT(entry.external_attributes >> 16))
    if kind is None and len(extra_fields(entry.extra).get(UNIX_EXTRA, b"")) > UNIX_EXTRA_BYTES:
        kind = "a link"
    if kind is not None:
        raise LinkEntry(f"The archive holds {kind}: {printable(name)[:200]}")
    if entry.disk:
        raise MultiVolumeArchive


def refuse_overlaps(entries: Sequence[PlannedEntry]) -> None:
    """Refuse entries that share bytes: a few of them can unpack to more than any disk holds."""
    located = sorted((e for e in entries if e.data_offset), key=lambda e: e.header_offset)
    for before, after in itertools.pairwise(located):
        # What an entry that will fail says of its length is not believed, but its header has a place.
        end = before.data_end if before.problem is None else before.data_offset
        if after.header_offset < end:
            raise OverlappingEntries(
                f"Entries of the archive share the same bytes, as in a zip bomb: {before.name[:200]} and "
                f"{after.name[:200]}"
            )


def refuse_ratio(entries: Sequence[PlannedEntry], limits: Limits) -> None:
    """Refuse an archive that, by its own account, would grow as no documents do."""
    readable = [entry for entry in entries if entry.problem is None]
    for entry in readable:
        ratio = entry.size // max(entry.compressed_size, 1)
        if entry.size > limits.entry_ratio_floor_bytes and ratio > limits.max_entry_ratio:
            raise RatioExceeded(
                f"A file of the archive would grow {ratio:,} times when unpacked; at most "
                f"{limits.max_entry_ratio:,} times are accepted (MAX_ENTRY_RATIO): {entry.name[:200]}"
            )
    total, packed = sum(e.size for e in readable), max(1, sum(e.compressed_size for e in readable))
    if total > limits.total_ratio_floor_bytes and total > limits.max_total_ratio * packed:
        raise RatioExceeded(
            f"The archive would grow {total // packed:,} times when unpacked; at most "
            f"{limits.max_total_ratio:,} times are accepted (MAX_TOTAL_RATIO)."
        )


def refuse_total(entries: Sequence[PlannedEntry], limits: Limits) -> None:
    """Refuse an archive whose files together are larger than what may be stored."""
    total = sum(entry.expected for entry in entries)
    if total > limits.max_extracted_bytes:
        raise ExtractedTooLarge(
            f"The archive's files together are {total:,} bytes large; at most {limits.max_extracted_bytes:,} "
            "are accepted (MAX_EXTRACTED_BYTES)."
        )


def refuse_hidden(file: SeekableFile, size: int, end: EndRecord) -> None:
    """Refuse an archive that lists nothing and holds something all the same: another program may see files in it."""
    refuse_second_end(file, size, end, ())
    if end.position > 0:
        raise AmbiguousArchive("The archive lists no files, but there is something in it.")


def refuse_second_end(file: SeekableFile, size: int, end: EndRecord, entries: Sequence[PlannedEntry]) -> None:
    """Refuse an archive that another program could read as a different one.

    An end record inside an entry's data belongs to an archive packed in this one; anywhere else it offers a
    second table of contents: after this one, in a comment, or in bytes put in front.
    """
    spans = [(e.header_offset, e.data_end) for e in entries if e.data_offset]
    first = min((start for start, _ in spans), default=0)
    regions = [(max(0, size - TAIL_BYTES), size), (max(0, first - TAIL_BYTES), first)]
    for start, stop in regions:
        near = [(begin, end_) for begin, end_ in spans if end_ > start and begin < stop]
        for other in end_records_in(file, start, stop, size):
            if other.position == end.position or any(begin <= other.position < end_ for begin, end_ in near):
                continue
            if other.is_plausible(file):
                raise AmbiguousArchive
