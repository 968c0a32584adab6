"""What a knowledge store does for the pipeline, and which one is in force.

Two kinds of verbs. Those that speak to the store (`health` to `search`) run outside of a transaction and may be
repeated after a crash: the document's `key` is the same each time, and a store has one object under a key. Those
that write to our own database (`index`, `retag`) run inside the transaction that completes the document: what they
write appears together with the document's new state, or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.utils.module_loading import import_string

from ingestion.errors import IngestionError
from ingestion.limits import get_limits
from ingestion.search.chunking import TextChunk

REFERENCE_MAX = 200
"""Characters of a store's reference to a document."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KMDocument:
    """A document as a knowledge store sees it. `storage_key` finds its bytes in the document storage.

    `type` and `content_type` are what it was found to be, where somebody has looked. `reference` is what this store
    called it; empty where it is not known to have it. `indexed`: it may have searchable text already.
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
    reference: str = ""

    @property
    def key(self) -> str:
        """The idempotency key: one for these bytes of this document, for ever."""
        return f"{self.id}:{self.sha256}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """Whether a store serves anybody at all, and what it says about that."""

    ok: bool
    message: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """What a store has made of a document: `state` in its own word (stored, indexing, indexed, failed …)."""

    reference: str
    state: str
    sha256: str = ""
    size: int | None = None
    message: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A place that a store's search found. `document_id` is ours, None for what is not from us."""

    reference: str
    document_id: int | None
    title: str
    snippet: str
    score: float


Sent = str | IngestionError
"""How one document of several went: the store's reference, or why it was not taken."""


class KnowledgeStore(Protocol):
    """A place that makes documents searchable. Failures are `IngestionError`s; `KmUnavailable` makes work wait."""

    name: str
    """One word for this kind of store: references are kept as "name:reference", so that no store takes another's."""
    keeps_copies: bool
    """Whether it keeps documents in a place of its own, so that what is deleted here has to be deleted there."""
    batch_file_bytes: int
    """Files of an archive that are smaller than this are sent by `put_many`; 0 where nothing is gained by that."""

    def health(self) -> Health:
        """Whether the store serves now. Never raises: not to be reached is an answer."""
        ...

    def exists(self, documents: Sequence[KMDocument]) -> Mapping[int, str]:
        """References of those that the store has with these very bytes, by the documents' ids."""
        ...

    def put(self, document: KMDocument) -> str:
        """Hand the document over, unless the store has it, and return the store's reference to it."""
        ...

    def put_many(self, documents: Sequence[KMDocument]) -> Mapping[int, Sent]:
        """The same for several; each has an answer of its own. Raises only what holds for all of them."""
        ...

    def status(self, reference: str) -> Status | None:
        """What became of a document there; None where the store does not have it."""
        ...

    def delete(self, document: KMDocument) -> None:
        """Take the document out; nothing happens when it is not there."""
        ...

    def tag(self, document: KMDocument) -> None:
        """Tell the store the document's tags of now; nothing happens when it is not there."""
        ...

    def search(self, query: str, *, owner_id: int, tags: Collection[str] = (), limit: int = 20) -> Sequence[Hit]:
        """The best places among this owner's documents that have all of these tags."""
        ...

    def index(self, document: KMDocument, chunks: Iterable[TextChunk]) -> int:
        """Make `chunks` the searchable text of the document, in place of what was there. Returns how many."""
        ...

    def retag(self, document: KMDocument) -> None:
        """Have our own search find the document by its tags of now."""
        ...


def get_store() -> KnowledgeStore:
    """The store named by the setting KM; `LocalKM` where it is not set."""
    store: KnowledgeStore = import_string(get_limits().km)()
    return store


def kept_as(store: KnowledgeStore, reference: str) -> str:
    """The reference as it is kept with the document: with the store's name."""
    return f"{store.name}:{reference}"


def known_to(store: KnowledgeStore, kept: str) -> str:
    """The store's own reference out of what is kept; empty where that is another store's."""
    name, _, reference = kept.partition(":")
    return reference if name == store.name else ""
