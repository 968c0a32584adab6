"""What a knowledge store does for the pipeline, and which one is in force.

`upload` talks to the outside, so it runs outside of a transaction, may be repeated and must then have no second
effect: `key` is the same each time. `index` runs inside the transaction that completes the document: what it writes
to our database appears together with the document's new state, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from ingestion.search.chunking import TextChunk

DEFAULT_STORE = "ingestion.km.local.LocalKM"


@dataclass(frozen=True, kw_only=True, slots=True)
class KMDocument:
    """A document as a knowledge store sees it. `storage_key` finds its bytes in the document storage.

    `type` and `content_type` are what it was found to be; `upload` and `index` get those. `indexed`: it may have
    searchable text already.
    """

    id: int
    owner_id: int
    title: str
    filename: str
    content_type: str
    size: int
    sha256: str
    storage_key: str
    created_at: datetime
    type: str = ""
    intake_id: int | None = None
    tags: tuple[str, ...] = ()
    indexed: bool = True


class KnowledgeStore(Protocol):
    """A place that makes documents searchable."""

    name: str
    keeps_copies: bool
    """Whether it keeps documents in a place of its own, so that what is deleted here has to be deleted there."""

    def upload(self, document: KMDocument, *, key: str) -> str:
        """Hand the document over and return the store's reference to it.

        Raises an `UploadFailed` whose `retryable` says whether trying again can help.
        """
        ...

    def index(self, document: KMDocument, chunks: Iterable[TextChunk]) -> int:
        """Make `chunks` the searchable text of the document, in place of what was there. Returns how many."""
        ...

    def retag(self, document: KMDocument) -> None:
        """Take over the document's tags, which have changed; inside a transaction, as `index`."""
        ...

    def delete(self, document: KMDocument) -> None:
        """Take the document out; nothing happens when it is not there."""
        ...


def get_store() -> KnowledgeStore:
    """The store named by the setting INGESTION_KM; `LocalKM` where it is not set."""
    store: KnowledgeStore = import_string(getattr(settings, "INGESTION_KM", DEFAULT_STORE))()
    return store
