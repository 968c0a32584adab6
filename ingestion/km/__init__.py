"""The knowledge store: where a document's content goes to be found again. A protocol and its implementations."""

from ingestion.km.base import KMDocument, KnowledgeStore, get_store

__all__ = ["KMDocument", "KnowledgeStore", "get_store"]
