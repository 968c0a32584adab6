"""A look into a zip without unpacking it: what it lists, and the start of a part. For telling file types apart.

The same limits hold as for a plan, but no verdict is made: whether such a file may be read as a whole is decided
by whoever reads it as a whole.
"""

from __future__ import annotations

from ingestion.archives.directory import CentralEntry, read_directory
from ingestion.archives.endrecord import find_end_record
from ingestion.archives.entries import PlannedEntry
from ingestion.archives.localheader import locate, offset_shift
from ingestion.archives.reader import read_entry
from ingestion.archives.source import SeekableFile, size_of
from ingestion.errors import UnzipFailed
from ingestion.limits import Limits


class Peek:
    """What an archive lists, by the names as they stand there."""

    def __init__(self, file: SeekableFile, limits: Limits) -> None:
        """Raises an ArchiveRefused when there is no table of contents within the limits."""
        self._file = file
        end = find_end_record(file, size_of(file))
        listed = read_directory(file, end, limits)
        self._listed: dict[str, CentralEntry] = {}
        for entry in listed:
            self._listed.setdefault(entry.raw_name.decode("utf-8", "replace"), entry)
        if listed:
            self._data_limit = end.directory_positions(file)[0]
            self._shift = offset_shift(file, listed, self._data_limit - end.directory_offset)

    @property
    def names(self) -> list[str]:
        """The names in the order of the listing, each once."""
        return list(self._listed)

    def start_of(self, name: str, max_bytes: int) -> bytes:
        """Up to `max_bytes` of a part; empty when it is not there or can not be read."""
        entry = self._listed.get(name)
        if entry is None:
            return b""
        data_offset, problem = locate(self._file, entry, self._shift, self._data_limit)
        planned = PlannedEntry(
            ordinal=0,
            name=name,
            safe_name="",
            raw_name=entry.raw_name,
            size=entry.size,
            compressed_size=entry.compressed_size,
            crc=entry.crc,
            method=entry.method,
            header_offset=entry.header_offset + self._shift,
            data_offset=data_offset,
            is_junk=False,
            problem=problem,
        )
        found = b""
        try:
            for chunk in read_entry(self._file, planned, 16 * 1024):
                found += chunk
                if len(found) >= max_bytes:
                    break
        except UnzipFailed:
            return found[:max_bytes]
        return found[:max_bytes]
