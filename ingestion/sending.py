"""Small files of an archive go to the knowledge store many at once, before they are processed one by one.

A head start, never a condition: an item `document.send` goes before the items of its files, and leaves the store's
reference on each document that was taken. What it missed, for whatever reason, the file's own item sends by itself;
an error that concerns one file is met again there, and told there. With a store that gains nothing by it (`LocalKM`)
there are no such items.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction

from docqueue.service import ClaimedItem, NewItem
from ingestion import storage
from ingestion.errors import DiskFull, IngestionError, StorageAway
from ingestion.km import KMDocument, KnowledgeStore, get_store, kept_as
from ingestion.km.describing import describe
from ingestion.km_outbox import forget, forget_content
from ingestion.lifecycle import newest
from ingestion.looking import look_at
from ingestion.models import Blob, Document, IngestFile, Intake

SEND = "document.send"
FILES, BYTES = 64, 8 * 1024 * 1024
"""Of one item."""

log = logging.getLogger(__name__)


def sends_for(
    intake: Intake, files: Sequence[IngestFile], documents: Sequence[Document]
) -> list[tuple[NewItem, list[Document]]]:
    """The items that send these documents ahead, each with those it is for; none where nothing is gained by it."""
    least = get_store().batch_file_bytes if len(files) > 1 else 0
    if not least:
        return []
    found = []
    blobs = dict(Blob.objects.filter(pk__in=[document.blob_id for document in documents]).values_list("pk", "sha256"))
    for batch in _batches([pair for pair in zip(files, documents, strict=True) if pair[0].size < least]):
        content = [(blobs[document.blob_id], file.size) for file, document in batch]
        payload = {"intake": intake.pk, "documents": [document.pk for _, document in batch], "content": content}
        item = NewItem(document_id=None, operation=SEND, priority=intake.priority, payload=payload)
        found.append((item, [document for _, document in batch]))
    return found


def send(payload: Mapping[str, Any], claim: ClaimedItem) -> dict[str, int]:
    """Send what has to be sent of the documents in an item's payload. Returns how many that were, and how it went.

    Raises a `KmUnavailable` when the store serves nobody. May be repeated: what was sent is found at the store.
    """
    store, asked = get_store(), payload["documents"]
    waiting = IngestFile.objects.filter(document__in=asked, outcome="", intake__cancel_requested_at=None)
    documents = Document.objects.select_related("blob", "file").filter(file__in=waiting, type="", km_ref="")
    todo = list(_worth_sending(store, documents.order_by("pk")))
    answers = store.put_many(todo) if todo else {}
    if claim.claim_no > 1:  # once the store has answered: not at each look that finds it away
        _clean_up(asked, payload["content"])
    sent = {pk: answer for pk, answer in answers.items() if isinstance(answer, str)}
    there = _keep(store, sent, claim)
    for described in todo:
        if described.id in sent and described.id not in there:
            forget(described)
    waiting.filter(newest(claim)).exclude(waiting_reason="").update(waiting_reason="", message="")
    refused = [str(answer) for answer in answers.values() if not isinstance(answer, str)]
    if refused:
        log.info("%d of %d files were not taken in a batch, the first: %s", len(refused), len(todo), refused[0])
    return {"asked": len(asked), "sent": len(sent), "refused": len(refused)}


def put_off(payload: Mapping[str, Any], claim: ClaimedItem, reason: str, message: str) -> None:
    """Say on the files what they wait for together."""
    files = IngestFile.objects.filter(newest(claim), document__in=payload["documents"], outcome="")
    files.update(waiting_reason=reason, message=message[:500])


def _clean_up(asked: Sequence[int], content: Sequence[tuple[str, int]]) -> None:
    """After a run whose end nobody knows: documents that are deleted since may have come to the store after that."""
    there = set(Document.objects.filter(pk__in=asked).values_list("pk", flat=True))
    for pk, (sha256, size) in zip(asked, content, strict=True):
        if pk not in there:
            forget_content(pk, sha256, size)


def _worth_sending(store: KnowledgeStore, documents: Any) -> Iterator[KMDocument]:
    """Those that are documents and whose content is new to their owner; of the same content the first."""
    found = list(documents)
    hashes = {document.blob.sha256 for document in found}
    receipts = Document.objects.filter(receipt_sha256__in=hashes).values_list("owner_id", "receipt_sha256")
    known = set(receipts)
    for document in found:
        content = (document.owner_id, document.blob.sha256)
        if content in known:
            continue
        known.add(content)
        described = describe(document, store)
        try:
            with storage.local_path(described.storage_key) as path:
                detected = look_at(path, described.filename)
        except (StorageAway, DiskFull):
            raise
        except IngestionError:
            continue  # its own item finds the same, and says so
        yield replace(described, type=detected.type, content_type=detected.mime)


def _keep(store: KnowledgeStore, sent: Mapping[int, str], claim: ClaimedItem) -> set[int]:
    """Write the references on the documents that are still there. Returns which these are."""
    with transaction.atomic():
        rows = Document.objects.select_for_update(no_key=True).filter(pk__in=sent).order_by("pk")
        there = list(rows.only("pk", "km_ref"))
        for document in there:
            document.km_ref = kept_as(store, sent[document.pk])
        if there and Document.objects.filter(newest(claim), pk=there[0].pk).exists():
            Document.objects.bulk_update(there, ["km_ref"])
    return {document.pk for document in there}


def _batches(pairs: Sequence[tuple[IngestFile, Document]]) -> Iterator[Sequence[tuple[IngestFile, Document]]]:
    """Slices of two files or more that make one request."""
    batch: list[tuple[IngestFile, Document]] = []
    size = 0
    for pair in pairs:
        if batch and (len(batch) == FILES or size + pair[0].size > BYTES):
            if len(batch) > 1:
                yield batch
            batch, size = [], 0
        batch.append(pair)
        size += pair[0].size
    if len(batch) > 1:
        yield batch
