"""The operator's pages in the Django admin. Nothing here changes an item but through `DocumentQueueService`."""

from docqueue.admin import (
    attempts,
    audit,
    batches,
    bulk,
    failures,
    history,
    items,
    limits,
    overview,
    queues,
    schedules,
    workers,
)

__all__ = [
    "attempts",
    "audit",
    "batches",
    "bulk",
    "failures",
    "history",
    "items",
    "limits",
    "overview",
    "queues",
    "schedules",
    "workers",
]
