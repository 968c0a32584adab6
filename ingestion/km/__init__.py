"""The knowledge store: where a document's content goes to be found again. A protocol and its implementations."""

from ingestion.km.base import Health, Hit, KMDocument, KnowledgeStore, Sent, Status, get_store, kept_as, known_to

__all__ = ["Health", "Hit", "KMDocument", "KnowledgeStore", "Sent", "Status", "get_store", "kept_as", "known_to"]
