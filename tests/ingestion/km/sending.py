"""Documents that are stored and can be sent, without a database."""

from __future__ import annotations

from datetime import UTC, datetime

from ingestion import storage
from ingestion.km import KMDocument


def stored(number: int = 1, content: bytes | str = "The heron waits.", name: str = "note.txt", **more) -> KMDocument:
    """A document of owner 7 whose bytes are in storage."""
    data = content.encode() if isinstance(content, str) else content
    blob = storage.put_stream([data])
    fields = {"title": name, "filename": name, "content_type": "text/plain", "type": "txt", "owner_id": 7}
    return KMDocument(
        id=number, sha256=blob.sha256, size=blob.size, storage_key=blob.key,
        created_at=datetime(2026, 1, 2, tzinfo=UTC), **fields | more,
    )  # fmt: skip
