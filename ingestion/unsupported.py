"""Files of an archive that text can not be taken from: told by their names and first bytes, before one is unpacked."""

from __future__ import annotations

from ingestion.archives import ArchivePlan
from ingestion.archives.heads import HEAD_BYTES, heads
from ingestion.archives.source import Source
from ingestion.errors import UnsupportedEntries
from ingestion.extract.registry import supported_types
from ingestion.limits import Limits
from ingestion.sniff import sniff
from ingestion.sniffing.kinds import claimed_by

FAILS_BY_ITSELF = frozenset({"empty", "encrypted_office"})  # with a code that says more than that it is not supported
ONLY_AS_A_WHOLE = "ole"  # a container, of which the beginning does not tell what it holds


def unsupported(source: Source, plan: ArchivePlan, limits: Limits, *, depth: int = 1) -> dict[int, str]:
    """The detected type of each such file, by its ordinal. Reads the first 4 KiB of each.

    `depth`: of the archive, as `plan_archive` counts it. Archives in it count as readable where they will be opened.
    """
    found: dict[int, str] = {}
    for entry, head in heads(source, plan.entries):
        detected = unsupported_type(head, entry.safe_name, limits, depth=depth, whole=entry.size <= HEAD_BYTES)
        if detected is not None:
            found[entry.ordinal] = detected
    return found


def unsupported_type(source: Source, name: str, limits: Limits, *, depth: int = 1, whole: bool = True) -> str | None:
    """The type of a file that text can not be taken from; None for any other. `whole`: `source` is all of it."""
    detected = sniff(source, name, limits).type
    readable = FAILS_BY_ITSELF.union(supported_types())
    promises = not whole and bool(claimed_by(name) & readable)
    if detected == "zip":  # office files are zips, too
        fine = promises or depth < limits.max_archive_depth
    else:
        fine = detected in readable or (detected == ONLY_AS_A_WHOLE and promises)
    return None if fine else detected


def refuse(source: Source, plan: ArchivePlan, limits: Limits, *, depth: int = 1) -> None:
    """Refuse an archive with such a file in it; the message names the first ones."""
    found = unsupported(source, plan, limits, depth=depth)
    if found:
        named = ", ".join(f"{plan.entries[ordinal].name[:200]} ({found[ordinal]})" for ordinal in list(found)[:3])
        raise UnsupportedEntries(f"The archive holds {len(found):,} files of types that are not supported: {named}")
