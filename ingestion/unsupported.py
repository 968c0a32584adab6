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
ONLY_AS_A_WHOLE = frozenset({"zip", "ole"})  # containers, of which the beginning does not tell what they hold


def unsupported(source: Source, plan: ArchivePlan, limits: Limits) -> dict[int, str]:
    """The detected type of each such file, by its ordinal. Reads the first 4 KiB of each."""
    readable = FAILS_BY_ITSELF.union(supported_types())
    found: dict[int, str] = {}
    for entry, head in heads(source, plan.entries):
        detected = sniff(head, entry.safe_name, limits).type
        unsure = detected in ONLY_AS_A_WHOLE and entry.size > HEAD_BYTES and claimed_by(entry.safe_name) & readable
        if detected not in readable and not unsure:
            found[entry.ordinal] = detected
    return found


def refuse(source: Source, plan: ArchivePlan, limits: Limits) -> None:
    """Refuse an archive with such a file in it; the message names the first ones."""
    found = unsupported(source, plan, limits)
    if found:
        named = ", ".join(f"{plan.entries[ordinal].name[:200]} ({found[ordinal]})" for ordinal in list(found)[:3])
        raise UnsupportedEntries(f"The archive holds {len(found):,} files of types that are not supported: {named}")
