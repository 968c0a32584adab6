"""What a file is, by its content and never by its name.

A name only tips the balance between kinds of text (is this prose with commas or a small table?), where the content
allows both. When the content is something else than the name says, that is noted as a mismatch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ingestion.archives.source import SeekableFile, Source, opened, read_at
from ingestion.limits import Limits
from ingestion.sniffing import compound, containers
from ingestion.sniffing.decoding import decode_head
from ingestion.sniffing.kinds import by_added, claimed_by, contradicts, kind_of
from ingestion.sniffing.markup import by_markup
from ingestion.sniffing.messages import by_header
from ingestion.sniffing.prose import is_markdown
from ingestion.sniffing.signatures import by_signature, has_pdf_objects
from ingestion.sniffing.structured import is_json, is_json_lines, is_table

__all__ = ["Detected", "is_text", "sniff"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Detected:
    """A file's type, one of `ingestion.sniffing.kinds.KINDS` or an added one, with its media type.

    `mismatch`: the name claims another type. `encoding`: of text, as far as the first bytes tell it.
    """

    type: str
    mime: str
    mismatch: bool = False
    encoding: str | None = None


def sniff(source: Source, name: str | None = None, limits: Limits | None = None) -> Detected:
    """Tell what a file is. Reads its first bytes, of containers also the listing; raises nothing of its own.

    `name` is what the sender calls the file; for a path it is the path's own name unless given. An open file keeps
    its position. A file without bytes is `empty`, one that nothing is known of is `unknown`.
    """
    limits = limits or Limits()
    if name is None:
        name = Path(source).name if isinstance(source, str | os.PathLike) else ""
    with opened(source) as file:
        head = read_at(file, 0, limits.sniff_bytes)
        complete = len(head) < limits.sniff_bytes
        detected = _binary(file, head, limits) or _beheaded(file, head, claimed_by(name), limits)
    if detected is not None:
        return _detected(detected, name)
    return _text(head, complete, name)


def is_text(source: Source) -> bool:
    """Whether no signature of a binary type stands at the start, without a look at what kind of text it is."""
    limits = Limits()
    with opened(source) as file:
        head = read_at(file, 0, limits.sniff_bytes)
        return bool(head) and b"\0" not in head and _binary(file, head, limits) is None


def _detected(detected: str, name: str, encoding: str | None = None, mime: str | None = None) -> Detected:
    return Detected(
        type=detected,
        mime=mime or kind_of(detected).mime,
        mismatch=contradicts(name, detected),
        encoding=encoding,
    )


def _binary(file: SeekableFile, head: bytes, limits: Limits) -> str | None:
    if not head:
        return "empty"
    if added := by_added(head, first=True):
        return added
    if head.startswith(compound.MAGIC):
        return compound.by_streams(file)
    if head.startswith(containers.MAGICS):
        return containers.by_parts(file, head, limits)
    return by_signature(head) or by_added(head, first=False)


def _beheaded(file: SeekableFile, head: bytes, claimed: frozenset[str], limits: Limits) -> str | None:
    """A type that shows elsewhere than in the first bytes. That is believed only where the name says the same."""
    if "zip" in claimed and containers.is_archive_behind_something(file, limits):
        return "zip"
    if "pdf" in claimed and has_pdf_objects(head):
        return "pdf"
    return None


def _text(data: bytes, complete: bool, name: str) -> Detected:
    head = decode_head(data, complete)
    if head is None:
        return _detected("unknown", name)
    text, claimed = head.text, claimed_by(name)
    mime = None
    found = by_markup(text, claimed) or by_header(text, claimed)
    if found is None and is_json(text, complete, "json" in claimed):
        found = "json"
        mime = "application/x-ndjson" if is_json_lines(text) else None
    if found is None and "markdown" not in claimed and is_table(text, complete, "csv" in claimed):
        found = "csv"
        mime = "text/tab-separated-values" if "\t" in text and "," not in text else None
    if found is None:
        found = "markdown" if is_markdown(text, "markdown" in claimed) else "text"
    return _detected(found, name, head.encoding, mime)
