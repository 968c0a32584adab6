"""Documents, results and hits as docs/km-openapi.yml writes them: our values to JSON, and the store's to ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.html import escape

from ingestion.errors import KmBadAnswer
from ingestion.km.answers import Answer, error_of
from ingestion.km.base import REFERENCE_MAX, Hit, KMDocument, Sent


def metadata(document: KMDocument) -> dict[str, Any]:
    """The document as the contract describes one."""
    return {
        "key": document.key,
        "sha256": document.sha256,
        "size": document.size,
        "filename": document.filename,
        "title": document.title,
        "content_type": document.content_type or "application/octet-stream",
        "type": document.type,
        "tags": list(document.tags),
        "owner": str(document.owner_id),
        "created_at": document.created_at.isoformat(),
    }


def reference_of(said: Mapping[str, Any]) -> str:
    """The store's reference in what it said. Raises KmBadAnswer."""
    reference = said.get("ref")
    if not isinstance(reference, str) or not 0 < len(reference) <= REFERENCE_MAX or not reference.isprintable():
        raise KmBadAnswer(f"The store gave no reference of 1 to {REFERENCE_MAX} printable characters.")
    return reference


def taken(said: Mapping[str, Any], document: KMDocument) -> str:
    """The reference, if the store has received what we have. Raises KmBadAnswer."""
    reference = reference_of(said)
    if (said.get("sha256"), said.get("size")) != (document.sha256, document.size):
        raise KmBadAnswer(f"The store says that it has other bytes than were sent, under the reference {reference}.")
    return reference


def result(said: Mapping[str, Any], document: KMDocument) -> Sent:
    """How one document of a batch went."""
    status = said.get("status")
    if not isinstance(status, int):
        return KmBadAnswer("The store's answer to a batch has a result without a status.")
    try:
        if 200 <= status < 300:
            return taken(said, document)
    except KmBadAnswer as error:
        return error
    told = str(said.get("detail") or "").encode()
    return error_of(Answer(status=status, headers={}, body=told), "POST", "/documents/batch") or KmBadAnswer()


def hit(said: Any) -> Hit:
    """One hit of a search. Raises KmBadAnswer."""
    if not isinstance(said, dict) or not isinstance(said.get("score"), int | float):
        raise KmBadAnswer("The store's answer to a search has a hit that is none.")
    document_id = str(said.get("key") or "").partition(":")[0]
    return Hit(
        reference=reference_of(said),
        document_id=int(document_id) if document_id.isdecimal() else None,
        title=str(said.get("title") or ""),
        snippet=escape(str(said.get("snippet") or "")),
        score=float(said["score"]),
    )
