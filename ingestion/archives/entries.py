"""What a plan is made of: the archive's files in the order of its table of contents."""

from __future__ import annotations

from dataclasses import dataclass

from ingestion.errors import EntryFailed


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedEntry:
    """One file of an archive: all that reading it needs, so that a restart can go on at any of them.

    `name` is the name in the archive, made printable: a label for people, never a path to open. `raw_name`
    keeps its bytes. `problem` says why this file will fail while the others do not; `read_entry` raises it.
    """

    ordinal: int  # from 0, folders not counted; the same each time the same archive is planned
    name: str
    safe_name: str
    raw_name: bytes
    size: int
    compressed_size: int
    crc: int
    method: int
    header_offset: int
    data_offset: int  # 0 where the archive has no data for this file
    is_junk: bool
    problem: EntryFailed | None = None

    @property
    def expected(self) -> int:
        """Bytes that unpacking it will write at most; none where it is known to fail, whatever size it claims."""
        return self.size if self.problem is None else 0

    @property
    def data_end(self) -> int:
        return self.data_offset + self.compressed_size


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivePlan:
    """An archive that may be unpacked. Junk (system files such as .DS_Store) is among the entries, marked."""

    entries: tuple[PlannedEntry, ...]
    directories: int
    archive_size: int

    @property
    def files(self) -> tuple[PlannedEntry, ...]:
        """The entries that are documents: all but junk."""
        return tuple(entry for entry in self.entries if not entry.is_junk)

    @property
    def total_size(self) -> int:
        """Bytes that unpacking will write at most."""
        return sum(entry.expected for entry in self.files)
