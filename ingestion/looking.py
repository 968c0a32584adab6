"""The first look at a file that is to become a document: what it is, and whether it is one."""

from __future__ import annotations

from pathlib import Path

from ingestion import mismatch
from ingestion.archives import is_encrypted_7z
from ingestion.errors import EmptyFile, EncryptedArchive, NestedArchive, UnknownFormat
from ingestion.limits import get_limits
from ingestion.models import Stage
from ingestion.sniff import Detected, sniff


def look_at(path: Path, filename: str) -> Detected:
    """What the file is. Raises an `IngestionError` for what is no document, or another one than its name claims."""
    detected = sniff(path, filename)
    if detected.type == "empty":
        raise EmptyFile(stage=Stage.UPLOADING)
    if detected.type == "unknown":
        raise UnknownFormat
    if detected.type == "zip":
        raise NestedArchive
    if is_encrypted_7z(path):
        raise EncryptedArchive
    mismatch.refuse(detected, filename, get_limits())
    return detected
