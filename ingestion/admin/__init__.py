"""The operator's desk for intakes, files and documents. What changes them goes through `ingestion.acting`."""

from ingestion.admin import documents, files, intakes, km, related

__all__ = ["documents", "files", "intakes", "km", "related"]
