"""Calls to a knowledge store, as the client tells of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from ingestion.km.calls import KMCall


def call(method: str = "put", *, at: datetime | None = None, total: float = 0.2, **more: Any) -> KMCall:
    """A call that went well."""
    measured = {
        "status": 201,
        "document_ids": (7,),
        "bytes_sent": 1000,
        "queue_wait_seconds": 0.001,
        "connect_seconds": 0.01,
        "send_seconds": 0.1,
        "first_byte_seconds": 0.15,
    }
    return KMCall(method=method, started_at=at or timezone.now(), total_seconds=total, **measured | more)


def crowd(rows: int, *, hours: float = 24.0, method: str = "put") -> None:
    """So many rows, spread evenly over the last hours; total of the nth: n milliseconds; documents of their own."""
    insert = """
        insert into ingestion_kmcall (started_at, method, attempt, status, code, document_ids, bytes_sent, send_seconds,
            total_seconds)
        select %s - make_interval(secs => n * %s), %s, 1, 201, '', array[n], 1000, 0.1, n * 0.001
        from generate_series(1, %s) n
    """
    with connection.cursor() as cursor:
        cursor.execute(insert, [timezone.now(), timedelta(hours=hours).total_seconds() / (rows + 1), method, rows])
        cursor.execute("analyze ingestion_kmcall")
