"""Telling idle workers at once that a queue has something to claim, by NOTIFY.

Commits that notify wait for each other in PostgreSQL, so there is at most one notification per queue and a few
milliseconds from each process, and none per row. What goes untold in between is found by the second look that a
worker takes soon after it was woken, and anything at all by polling.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from math import inf
from time import monotonic

from django.db import transaction

from docqueue import store
from docqueue.conf import get_settings

QUIET_SECONDS = 0.005
REMEMBERED = 1000

_sent: dict[tuple[str, str], tuple[float, int]] = {}
"""By database alias and queue: when this process last notified, and in which thread."""


def wanted(using: str, queue: str) -> bool:
    """Whether a statement that commits by itself should notify; whoever does so calls `note` afterwards."""
    at, _ = _sent.get((using, queue), (-inf, 0))
    return monotonic() - at >= QUIET_SECONDS and get_settings().LISTEN


def note(using: str, queue: str) -> None:
    """Remember that the queue has just been notified."""
    if len(_sent) >= REMEMBERED:
        _sent.clear()  # queues may be named by the thousand; forgetting costs a notification each
    _sent[using, queue] = (monotonic(), threading.get_ident())


def notify(using: str, queues: Iterable[str]) -> None:
    """Wake the workers of these queues: right after the caller's transaction has committed, if there is one."""
    names = frozenset(queues)
    if not names or not get_settings().LISTEN:
        return
    asked_at = monotonic()

    def send() -> None:  # no partial: where it fails Django asks for its name, and it has none
        _send(using, names, asked_at)

    if store.in_transaction(using):
        transaction.on_commit(send, using=using, robust=True)
    else:
        send()


def _send(using: str, queues: Iterable[str], asked_at: float) -> None:
    due = []
    for queue in queues:
        at, thread = _sent.get((using, queue), (-inf, 0))
        # What this thread has sent since it was asked, it sent at this very commit: one for a transaction is enough.
        told = thread == threading.get_ident() and at >= asked_at
        if not told and monotonic() - at >= QUIET_SECONDS:
            due.append(queue)
    if due:
        store.run(using, "notify", {"queues": due})
        for queue in due:
            note(using, queue)
