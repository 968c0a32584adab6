"""What ingestion does, one function a verb: the API, the admin, the queue's handlers and your own code call these."""

from __future__ import annotations

from ingestion.cancelling import AlreadyFinished, cancel_document, cancel_intake
from ingestion.deleting import delete_document, delete_intake
from ingestion.errors import NotReprocessable
from ingestion.intakes import Accepted, accept_upload
from ingestion.lifecycle import finish_intake
from ingestion.pipeline import ContentResult, process_document_content
from ingestion.reconcile import reconcile, reconcile_intake
from ingestion.reprocess import Reprocessing, reprocess_document
from ingestion.reprocess_many import Order, order_progress, start_order
from ingestion.search.matching import Narrowing
from ingestion.search.query import SearchPage, search
from ingestion.selecting import Selection, preview
from ingestion.summary import Summary, summarize
from ingestion.unzip_again import unzip_again

__all__ = [
    "Accepted",
    "AlreadyFinished",
    "ContentResult",
    "Narrowing",
    "NotReprocessable",
    "Order",
    "Reprocessing",
    "SearchPage",
    "Selection",
    "Summary",
    "accept_upload",
    "cancel_document",
    "cancel_intake",
    "delete_document",
    "delete_intake",
    "finish_intake",
    "order_progress",
    "preview",
    "process_document_content",
    "reconcile",
    "reconcile_intake",
    "reprocess_document",
    "search",
    "start_order",
    "summarize",
    "unzip_again",
]
