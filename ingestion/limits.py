"""Every limit of ingestion, in one place: each a field with its default, changed by the setting INGESTION.

`INGESTION = {"MAX_ENTRIES": 50_000}` in Django's settings changes one; all others keep their defaults. The
pure rooms (archives, sniffing, extraction) are handed a `Limits` and never read settings themselves.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

KIB, MIB, GIB = 1024, 1024**2, 1024**3


def _limit(default: int, doc: str, minimum: int = 1) -> int:
    """A field of `Limits`; `doc` is what the documentation and the API say about it."""
    value: int = field(default=default, metadata={"doc": doc, "minimum": minimum})
    return value


FAIL_FILE, SKIP, REJECT_ARCHIVE = "fail_file", "skip", "reject_archive"


def _choice(default: str, choices: tuple[str, ...], doc: str) -> str:
    """A field that is one of a few words."""
    value: str = field(default=default, metadata={"doc": f"{doc} One of {', '.join(choices)}.", "choices": choices})
    return value


def _name(default: str, doc: str) -> str:
    """A field that names something of the database."""
    value: str = field(
        default=default, metadata={"doc": doc, "pattern": re.compile(r"[A-Za-z_][\w.]{0,126}", re.ASCII)}
    )
    return value


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What ingestion accepts at most. Bytes are bytes, ratios are unpacked size : packed size."""

    # One upload.
    max_upload_bytes: int = _limit(2 * GIB, "Size of one upload, a zip or a single file.")
    max_files_per_request: int = _limit(1_000, "Files sent in one request without packing them.")
    max_file_bytes: int = _limit(2 * GIB, "Size of one file after unpacking; a larger one fails alone.")

    disk_reserve_bytes: int = _limit(
        2 * GIB, "Room left free on the disk: with less, uploads are refused and work waits.", 0
    )

    # One archive; all but the last two refuse it before a byte is written.
    max_entries: int = _limit(10_000, "Entries in one archive, folders and system files included.")
    max_directory_bytes: int = _limit(32 * MIB, "Size of an archive's table of contents.")
    max_extracted_bytes: int = _limit(20 * GIB, "Size of all files of an archive together after unpacking.")
    max_entry_ratio: int = _limit(200, "Ratio of one entry, asked of entries above entry_ratio_floor_bytes.")
    entry_ratio_floor_bytes: int = _limit(1 * MIB, "Below this unpacked size an entry's ratio is not asked.", 0)
    max_total_ratio: int = _limit(100, "Ratio of a whole archive above total_ratio_floor_bytes.")
    total_ratio_floor_bytes: int = _limit(64 * MIB, "Below this unpacked size the whole's ratio is not asked.", 0)
    max_archive_depth: int = _limit(1, "Archives in archives: 1 stores an inner archive without opening it.")
    max_path_bytes: int = _limit(1_024, "Length of an entry's name with its folders; a longer one fails alone.")
    max_path_parts: int = _limit(32, "Folders of an entry's name; a deeper one fails alone.")

    on_unsupported: str = _choice(
        FAIL_FILE,
        (FAIL_FILE, SKIP, REJECT_ARCHIVE),
        "What an archive's files of types that text can not be taken from do: fail alone, count as skipped without "
        "being unpacked, or have the archive refused.",
    )

    # Looking at a file to tell its type.
    sniff_bytes: int = _limit(64 * KIB, "Bytes read from a file's start to tell its type.", 1024)
    sniff_part_bytes: int = _limit(1 * MIB, "Bytes read from a part of an office file to tell its type.")

    # Taking text out of one document. What is too long is cut with a warning; the others fail the file.
    max_pages: int = _limit(
        5_000, "Pages, slides, sheets or chapters read of one document; the rest is left out with a warning."
    )
    max_text_characters: int = _limit(50_000_000, "Characters kept of one document; the rest is cut with a warning.")
    max_parts: int = _limit(10_000, "Parts of an office file or book (sheets, pictures, styles …) or of an e-mail.")
    max_content_bytes: int = _limit(1 * GIB, "Size of the parts of an office file or book together after unpacking.")
    max_content_ratio: int = _limit(200, "Ratio of a part above content_ratio_floor_bytes.")
    content_ratio_floor_bytes: int = _limit(16 * MIB, "Below this unpacked size a part's ratio is not asked.", 0)
    max_dense_cells: int = _limit(4_000_000, "Cells of a sheet's rectangle; a larger sheet is read sparsely.")
    max_json_bytes: int = _limit(64 * MIB, "Size of one JSON value; JSON Lines may have any number of them.")
    max_json_depth: int = _limit(200, "Lists and objects of JSON inside one another.")

    # Search.
    search_config: str = _name(
        "english",
        "PostgreSQL's text search configuration, that is the language; reprocess documents after a change of it.",
    )
    max_ranked_chunks: int = _limit(
        1_000, "Matches that one search ranks, those of the newest documents; more make it slower."
    )

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> Limits:
        """Build the limits from a mapping with upper-case keys; ImproperlyConfigured names what is wrong."""
        known = {spec.name.upper(): spec for spec in fields(cls)}
        values: dict[str, Any] = {}
        for key, value in given.items():
            spec = known.get(key)
            if spec is None:
                near = difflib.get_close_matches(str(key).upper(), known, n=1)
                raise ImproperlyConfigured(
                    f"INGESTION[{key!r}] is not a setting." + (f" Did you mean {near[0]!r}?" if near else "")
                )
            if choices := spec.metadata.get("choices"):
                if value not in choices:
                    raise ImproperlyConfigured(
                        f"INGESTION[{key!r}] must be one of {', '.join(choices)}, not {value!r}."
                    )
            elif pattern := spec.metadata.get("pattern"):
                if not isinstance(value, str) or not pattern.fullmatch(value):
                    raise ImproperlyConfigured(f"INGESTION[{key!r}] must be a name, not {value!r}.")
            elif isinstance(value, bool) or not isinstance(value, int) or value < spec.metadata["minimum"]:
                raise ImproperlyConfigured(
                    f"INGESTION[{key!r}] must be a whole number of at least {spec.metadata['minimum']}, not {value!r}."
                )
            values[spec.name] = value
        return cls(**values)

    @classmethod
    def documentation(cls) -> dict[str, str]:
        """What each limit means, by its name: for the settings page and the API."""
        return {spec.name: spec.metadata["doc"] for spec in fields(cls)}


def get_limits() -> Limits:
    """The limits in force: the defaults, changed by the setting INGESTION where it is there."""
    return Limits.from_mapping(getattr(settings, "INGESTION", {}))
