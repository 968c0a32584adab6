"""What an archive's files seem to be, by their names and first bytes: decided before any of them is unpacked."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

from ingestion.archives.entries import PlannedEntry
from ingestion.archives.reader import read_entry
from ingestion.archives.source import Source, opened
from ingestion.errors import EntryFailed

HEAD_BYTES = 4096


def heads(source: Source, entries: Iterable[PlannedEntry]) -> Iterator[tuple[PlannedEntry, io.BytesIO]]:
    """Each entry with the start of its bytes, as a file. What is junk or can not be read is left out."""
    with opened(source) as archive:
        for entry in entries:
            if entry.is_junk or entry.problem is not None:
                continue
            try:
                start = next(read_entry(archive, entry, HEAD_BYTES), b"")
            except EntryFailed:
                continue  # it fails by itself, with the true reason
            yield entry, io.BytesIO(start)
