"""Zip archives without trust: `plan_archive` checks one as a whole, `read_entry` streams one file of it.

Everything is read by this package itself, structure by structure, because the standard library's zipfile
hands back overlapping entries, links, absolute names and names cut at a NUL character, takes an archive's
word for its sizes, and loads the list of a million entries before anybody can refuse it. Unpacking uses the
standard library's decompressors. Names in an archive are labels: nothing is ever written under one.
"""

from __future__ import annotations

from ingestion.archives.entries import ArchivePlan, PlannedEntry
from ingestion.archives.names import printable, safe_name
from ingestion.archives.plan import plan_archive
from ingestion.archives.reader import read_entry
from ingestion.archives.sevenzip import is_encrypted_7z

__all__ = ["ArchivePlan", "PlannedEntry", "is_encrypted_7z", "plan_archive", "printable", "read_entry", "safe_name"]
