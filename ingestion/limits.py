"""Every limit and setting of ingestion, in one place: each a field with its default, changed by the setting INGESTION.

`INGESTION = {"MAX_ENTRIES": 50_000}` in Django's settings changes one; all others keep their defaults. The
pure rooms (archives, sniffing, extraction) are handed a `Limits` and never read settings themselves.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

KIB, MIB, GIB = 1024, 1024**2, 1024**3


def _limit(default: int, doc: str, minimum: int = 1) -> int:
    """A field of `Limits`; `doc` is what the documentation and the API say about it."""
    value: int = field(default=default, metadata={"doc": doc, "minimum": minimum})
    return value


FAIL_FILE, SKIP, REJECT_ARCHIVE, WARN = "fail_file", "skip", "reject_archive", "warn"
STREAM, REDIRECT = "stream", "redirect"


def _choice(default: str, choices: tuple[str, ...], doc: str) -> str:
    """A field that is one of a few words."""
    value: str = field(default=default, metadata={"doc": f"{doc} One of {', '.join(choices)}.", "choices": choices})
    return value


def _internal(default: Any, doc: str, pattern: str = "", *, minimum: int = 1, secret: bool = False) -> Any:
    """A field that the API says nothing of: a text (that fits `pattern`), several, or a number. `secret`: no repr."""
    about = {"doc": doc, "internal": True, "pattern": pattern, "minimum": minimum, "secret": secret}
    return field(default=default, repr=not secret, metadata=about)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What ingestion accepts at most. Bytes are bytes, ratios are unpacked size : packed size."""

    # One upload.
    max_upload_bytes: int = _limit(2 * GIB, "Size of one upload, a zip or a single file.")
    max_files_per_request: int = _limit(1_000, "Files sent in one request without packing them.")
    max_file_bytes: int = _limit(2 * GIB, "Size of one file after unpacking; a larger one fails alone.")

    # One upload that comes in pieces and can be resumed.
    max_patch_bytes: int = _limit(64 * MIB, "Size of one piece of a resumable upload.")
    max_open_uploads: int = _limit(100, "Resumable uploads of one user that have begun and not ended.")
    resumable_hours: int = _limit(24, "Hours for which a resumable upload waits for its next piece.")
    resumable_takeover_seconds: int = _limit(
        5, "Seconds of silence after which a request that writes to a resumable upload gives way to another."
    )
    resumable_folder: str = _internal(
        "",
        "Absolute path of the folder of unfinished resumable uploads, the same for web processes and workers. Empty: "
        "resumable/ beside the documents; on their file system a finished upload is not copied.",
    )

    disk_reserve_bytes: int = _limit(
        2 * GIB, "Room left free on the disk: with less, uploads are refused and work waits.", 0
    )

    # One archive; all but the last two refuse it before a byte is written.
    max_entries: int = _limit(
        10_000, "Entries in one archive, folders and system files included; also those of archives in it together."
    )
    max_directory_bytes: int = _limit(32 * MIB, "Size of an archive's table of contents.")
    max_extracted_bytes: int = _limit(
        20 * GIB, "Size of all files of an archive together after unpacking, those of archives in it included."
    )
    max_entry_ratio: int = _limit(200, "Ratio of one entry, asked of entries above entry_ratio_floor_bytes.")
    entry_ratio_floor_bytes: int = _limit(1 * MIB, "Below this unpacked size an entry's ratio is not asked.", 0)
    max_total_ratio: int = _limit(100, "Ratio of a whole archive above total_ratio_floor_bytes.")
    total_ratio_floor_bytes: int = _limit(64 * MIB, "Below this unpacked size the whole's ratio is not asked.", 0)
    max_archive_depth: int = _limit(
        3, "Archives and e-mails in one another that are opened: 1 opens none that lies in another."
    )
    max_path_bytes: int = _limit(1_024, "Length of an entry's name with its folders; a longer one fails alone.")
    max_path_parts: int = _limit(32, "Folders of an entry's name; a deeper one fails alone.")

    keep_archives_days: int = _limit(
        30,
        "Days that an archive is kept once each of its files has ended, to be unzipped again; 0: not at all, -1: for "
        "ever. The files taken out of it are not touched.",
        -1,
    )

    on_unsupported: str = _choice(
        FAIL_FILE,
        (FAIL_FILE, SKIP, REJECT_ARCHIVE),
        "What an archive's files of types that text can not be taken from do: fail alone, count as skipped without "
        "being unpacked, or have the archive refused.",
    )

    on_unsafe_path: str = _choice(
        REJECT_ARCHIVE,
        (REJECT_ARCHIVE, FAIL_FILE),
        "What a name that points outside of the archive does: have the archive refused, as it may be an attack, or "
        "that file fail alone (no name is ever used as a path).",
    )

    on_type_mismatch: str = _choice(
        WARN,
        (WARN, FAIL_FILE),
        "What becomes of a file that can be read, but as another type than its name claims: read with a warning, or "
        "failed. One that can not be read fails in either case.",
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

    # What a project adds.
    formats: tuple[str, ...] = _internal((), "Dotted paths of the formats that the project adds.")
    ocr: str = _internal(
        "",
        "Dotted path of the function that recognises text in scanned PDFs; ingestion.extract.ocr.recognise uses the "
        "program tesseract. Empty: off, and such documents end without text.",
    )
    ocr_languages: str = _internal("eng", "Languages to recognise, as the program names them: eng+deu.")
    max_ocr_pages: int = _limit(100, "Pages of one document that text is recognised on; the rest is left out.")

    # Handing documents out.
    downloads: str = _choice(
        STREAM,
        (STREAM, REDIRECT),
        "How a document's bytes are handed out: through the site, or by an address of S3 that is good for a moment, to "
        "which the browser is sent (the site's own headers, such as Content-Security-Policy, are not there then).",
    )

    # Following an upload.
    max_wait_seconds: int = _limit(
        30,
        "Seconds that an answer may be held (`?wait=`, 30 at most) until something has changed. Each held answer "
        "occupies a thread of the web server; 0 answers everything at once.",
        0,
    )
    max_held_answers: int = _limit(
        4,
        "Answers that one web process holds at a time; others are given at once. Keep it below its number of threads.",
        0,
    )
    max_event_streams: int = _limit(
        50,
        "Streams of events (GET …/events) that one web process holds open under ASGI; more are refused, 0 refuses all.",
        0,
    )
    max_event_stream_seconds: int = _limit(
        600, "Seconds after which a stream of events is ended; browsers open it anew by themselves."
    )
    stalled_after_seconds: int = _limit(
        60, "Seconds without any progress after which running work is shown as stalled."
    )

    # Search.
    search_config: str = _internal(
        "english",
        "PostgreSQL's text search configuration, that is the language; reprocess documents after a change of it.",
        r"[A-Za-z_][A-Za-z0-9_.]{0,126}",
    )
    max_ranked_chunks: int = _limit(
        1_000, "Matches that one search ranks, those of the newest documents; more make it slower."
    )

    # The knowledge store.
    km: str = _internal(
        "ingestion.km.local.LocalKM",
        "Dotted path of the knowledge store: ingestion.km.local.LocalKM (this database), ingestion.km.http.HttpKM, or "
        "your own.",
        r"[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)+",
    )
    km_url: str = _internal("", "Where HttpKM finds its store, as https://km.example.org/api.")
    km_token: str = _internal("", "What HttpKM sends as `Authorization: Bearer`. Never shown anywhere.", secret=True)
    km_connect_seconds: int = _internal(5, "How long HttpKM waits for a connection.")
    km_read_seconds: int = _internal(60, "How long HttpKM waits for an answer, and for each piece that it sends.")
    km_tries: int = _internal(3, "Exchanges of one call of HttpKM, before the item itself is tried again later.")
    km_parallel: int = _internal(4, "Connections of one process to the knowledge store.")
    km_batch_file_bytes: int = _internal(
        256 * KIB, "Smaller files of an archive are sent to the knowledge store many at once; 0: never.", minimum=0
    )

    km_call_days: int = _internal(7, "Days for which calls to the knowledge store are kept one by one.")
    km_call_rows: int = _internal(50_000, "Calls to the knowledge store that are kept one by one, the newest.")

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
            values[spec.name] = _checked(key, value, spec)
        return cls(**values)

    @classmethod
    def documentation(cls) -> dict[str, str]:
        """What each limit means, by its name: for the API."""
        return {spec.name: spec.metadata["doc"] for spec in fields(cls) if not spec.metadata.get("internal")}


def _checked(key: str, value: Any, spec: Field[Any]) -> Any:
    """The value as the field has it, or ImproperlyConfigured."""
    many = isinstance(spec.default, tuple)
    if choices := spec.metadata.get("choices"):
        good, wanted = value in choices, f"one of {', '.join(choices)}"
    elif many:
        good = isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
        wanted = "a list of texts"
    elif pattern := spec.metadata.get("pattern"):
        good, wanted = isinstance(value, str) and re.fullmatch(pattern, value) is not None, "a name"
    elif isinstance(spec.default, str):
        good, wanted = isinstance(value, str), "a text"
    else:
        minimum = spec.metadata["minimum"]
        good = isinstance(value, int) and not isinstance(value, bool) and value >= minimum
        wanted = f"a whole number of at least {minimum}"
    if not good:
        shown = "what it is" if spec.metadata.get("secret") else repr(value)
        raise ImproperlyConfigured(f"INGESTION[{key!r}] must be {wanted}, not {shown}.")
    return tuple(value) if many else value


def get_limits() -> Limits:
    """The limits in force: the defaults, changed by the setting INGESTION where it is there."""
    return Limits.from_mapping(getattr(settings, "INGESTION", {}))
