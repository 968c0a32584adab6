"""Planning an archive: everything that can be checked is, before a byte of it is unpacked."""

from __future__ import annotations

import stat
from dataclasses import replace

from ingestion.archives import guard
from ingestion.archives.charsets import decode_name, decoder
from ingestion.archives.directory import CentralEntry, read_directory
from ingestion.archives.endrecord import LOCAL_MAGIC, find_end_record
from ingestion.archives.entries import ArchivePlan, PlannedEntry
from ingestion.archives.localheader import locate, offset_shift
from ingestion.archives.names import is_junk, name_problem, printable, refuse_unsafe, safe_name
from ingestion.archives.source import SeekableFile, Source, opened, read_at, size_of
from ingestion.errors import (
    ArchiveTooLarge,
    EntryFailed,
    EntryTooLarge,
    NestingTooDeep,
    TruncatedArchive,
    UnsafeEntry,
    UnsafePath,
)
from ingestion.limits import FAIL_FILE, Limits

DOS_DIRECTORY = 0x10


def plan_archive(source: Source, limits: Limits | None = None, *, depth: int = 1) -> ArchivePlan:
    """Check a zip and list its files, without unpacking any.

    Raises an ArchiveRefused when the archive as a whole is hostile, broken, encrypted or too much.
    What is wrong with one file alone stands in that entry's `problem`. `depth` is 1 for an uploaded archive,
    2 for one found inside it, and so on. The same archive always gives the same plan.
    """
    limits = limits or Limits()
    if depth > limits.max_archive_depth:
        raise NestingTooDeep
    with opened(source) as file:
        size = size_of(file)
        if size > limits.max_upload_bytes:
            raise ArchiveTooLarge(
                f"The archive is {size:,} bytes large; at most {limits.max_upload_bytes:,} are accepted "
                "(MAX_UPLOAD_BYTES)."
            )
        end = find_end_record(file, size)
        listed = read_directory(file, end, limits)
        if not listed:
            guard.refuse_hidden(file, size, end)
            return ArchivePlan(entries=(), directories=0, archive_size=size)
        directory_at = end.directory_positions(file)[0]
        shift = offset_shift(file, listed, directory_at - end.directory_offset)
        entries = _plan_entries(file, listed, shift, directory_at, limits)
        guard.refuse_second_end(file, size, end, entries)
        if shift and read_at(file, 0, 4) == LOCAL_MAGIC:
            # The files of an archive whose own end is gone, with a complete archive in or behind them.
            raise TruncatedArchive("The archive is incomplete: it begins with files that it does not list.")
    guard.refuse_overlaps(entries)
    guard.refuse_ratio(entries, limits)
    entries = [_within_size(entry, limits) for entry in entries]
    guard.refuse_total(entries, limits)
    return ArchivePlan(entries=tuple(entries), directories=len(listed) - len(entries), archive_size=size)


def _plan_entries(
    file: SeekableFile, listed: list[CentralEntry], shift: int, directory_at: int, limits: Limits
) -> list[PlannedEntry]:
    encoding = decoder(listed)
    entries: list[PlannedEntry] = []
    for central in listed:
        name = decode_name(central, encoding)
        unsafe = _unsafe(name, limits)
        guard.refuse_by_kind(central, name)
        if _is_directory(central, name):
            continue
        data_offset, problem = locate(file, central, shift, directory_at)
        label = printable(name)
        entries.append(
            PlannedEntry(
                ordinal=len(entries),
                name=label[: limits.max_path_bytes],
                safe_name=safe_name(name),
                raw_name=central.raw_name[: limits.max_path_bytes],
                size=central.size,
                compressed_size=central.compressed_size,
                crc=central.crc,
                method=central.method,
                header_offset=central.header_offset + shift,
                data_offset=data_offset,
                is_junk=is_junk(name),
                problem=unsafe or name_problem(central.raw_name, name, limits) or problem,
            )
        )
    return entries


def _unsafe(name: str, limits: Limits) -> EntryFailed | None:
    """The problem of a name that points outside, where the archive is not refused for it."""
    try:
        refuse_unsafe(name)
    except UnsafePath as error:
        if limits.on_unsafe_path != FAIL_FILE:
            raise
        return UnsafeEntry(str(error))
    return None


def _is_directory(entry: CentralEntry, name: str) -> bool:
    """A folder is an entry without content that says it is one, in any of the ways that programs use."""
    says_so = (
        name.endswith(("/", "\\"))
        or bool(entry.external_attributes & DOS_DIRECTORY)
        or stat.S_ISDIR(entry.external_attributes >> 16)
    )
    return says_so and entry.size == 0


def _within_size(entry: PlannedEntry, limits: Limits) -> PlannedEntry:
    if entry.problem is not None or entry.size <= limits.max_file_bytes:
        return entry
    problem = EntryTooLarge(
        f"The file is {entry.size:,} bytes large; at most {limits.max_file_bytes:,} are accepted (MAX_FILE_BYTES)."
    )
    return replace(entry, problem=problem)
