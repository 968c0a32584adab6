"""The tables of ingestion. No foreign key points at the queue: an item's id is a plain bigint."""

from ingestion.models.calls import KmCall, KmTotal
from ingestion.models.choices import IntakeKind, IntakeStatus, Outcome, Stage, TextReason, TextStatus
from ingestion.models.documents import Blob, Chunk, Document
from ingestion.models.intakes import IngestFile, Intake

__all__ = [
    "Blob",
    "Chunk",
    "Document",
    "IngestFile",
    "Intake",
    "IntakeKind",
    "IntakeStatus",
    "KmCall",
    "KmTotal",
    "Outcome",
    "Stage",
    "TextReason",
    "TextStatus",
]
