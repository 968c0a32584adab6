"""Reading one entry: bytes are counted as they come and the checksum is made of them; nothing is believed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from ingestion.archives.entries import PlannedEntry
from ingestion.archives.methods import DECOMPRESSION_ERRORS, decompressor_for
from ingestion.archives.source import SeekableFile, Source, opened, read_at
from ingestion.errors import CorruptEntry, CrcMismatch, SizeMismatch

CHUNK_BYTES = 128 * 1024


def read_entry(source: Source, entry: PlannedEntry, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Yield the entry's bytes in chunks of at most `chunk_bytes`.

    Raises an EntryFailed as soon as the data are seen to be other than planned: damaged, longer or shorter
    than announced, or (after the last chunk) with another checksum. Whoever stores the chunks must therefore
    keep them aside until the iterator has ended.
    """
    if entry.problem is not None:
        raise entry.problem.with_traceback(None)
    produced = checksum = 0
    with opened(source) as file:
        for piece in _inflated(file, entry, chunk_bytes):
            produced += len(piece)
            if produced > entry.size:
                raise SizeMismatch(f"The file is larger than the {entry.size:,} bytes the archive announces.")
            checksum = zlib.crc32(piece, checksum)
            yield piece
    if produced < entry.size:
        raise SizeMismatch(f"The file has {produced:,} bytes; the archive announces {entry.size:,}.")
    if checksum != entry.crc:
        raise CrcMismatch


def _inflated(file: SeekableFile, entry: PlannedEntry, chunk_bytes: int) -> Iterator[bytes]:
    decompressor = decompressor_for(entry.method)
    position, end = entry.data_offset, entry.data_end
    while not decompressor.eof:
        data = b""
        if decompressor.needs_input:
            if position >= end:
                return
            data = read_at(file, position, min(chunk_bytes, end - position))
            if not data:
                raise CorruptEntry("The archive ends within this file's data.")
            position += len(data)
        try:
            piece = decompressor.decompress(data, chunk_bytes)
        except DECOMPRESSION_ERRORS as error:
            raise CorruptEntry from error
        if piece:
            yield piece
    if position < end or decompressor.unused_data:
        raise SizeMismatch("The file's compressed data end before the place that the archive names.")
