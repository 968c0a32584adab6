"""Calls to the knowledge store as rows, written by whoever made them.

A row costs one small statement beside an HTTP exchange, and commits without waiting for the disk: a crash of the
machine may lose the last of them, and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, InterfaceError, connections, router, transaction

from ingestion.km.calls import KMCall
from ingestion.models import KmCall

log = logging.getLogger(__name__)

# The setting holds for this statement alone (`progress.unawaited`).
INSERT = """
insert into ingestion_kmcall (started_at, method, attempt, status, code, document_ids, bytes_sent, queue_wait_seconds,
    connect_seconds, send_seconds, first_byte_seconds, total_seconds)
select %s::timestamptz, %s, %s::smallint, %s::smallint, %s, %s::bigint[], %s::bigint, %s::float8, %s::float8,
    %s::float8, %s::float8, %s::float8
where set_config('synchronous_commit', 'off', true) = 'off'
"""
METHOD_MAX, CODE_MAX = 32, 100


_muted: list[object] = []


@contextmanager
def muted() -> Iterator[None]:
    """Keep none of this process's calls within the block."""
    mark = object()
    _muted.append(mark)
    try:
        yield
    finally:
        _muted.remove(mark)


def write(call: KMCall) -> None:
    """Keep a call: at once, or in a transaction once that has committed. Raises nothing: a loss is logged.

    Stores speak outside of transactions. One that does not must not have its transaction broken by a row of ours, so
    what it did in one that is rolled back is not told.
    """
    if _muted:
        return
    using = router.db_for_write(KmCall)
    if connections[using].in_atomic_block:
        transaction.on_commit(lambda: _insert(using, call), using=using, robust=True)
    else:
        _insert(using, call)


def _insert(using: str, call: KMCall) -> None:
    values: list[Any] = [
        call.started_at,
        call.method[:METHOD_MAX],
        call.attempt,
        call.status,
        call.code[:CODE_MAX],
        list(call.document_ids),
        call.bytes_sent,
        call.queue_wait_seconds,
        call.connect_seconds,
        call.send_seconds,
        call.first_byte_seconds,
        call.total_seconds,
    ]
    try:
        with connections[using].cursor() as cursor:
            cursor.execute(INSERT, values)
    except (DatabaseError, InterfaceError) as error:
        log.warning("a call to the knowledge store (%s) could not be kept: %s", call.method, str(error).strip()[:300])
