"""The tables. Reading them is free; changing an item goes through `DocumentQueueService`."""

from docqueue.models.dead import DeadItem
from docqueue.models.groups import Batch, Checkpoint, Dependency, Key, Progress, Schedule, ScheduleTick
from docqueue.models.history import AnyItem, HistoryItem
from docqueue.models.item import QueueItem
from docqueue.models.people import AuditEntry, Queue
from docqueue.models.worker import Attempt, Worker

__all__ = [
    "AnyItem",
    "Attempt",
    "AuditEntry",
    "Batch",
    "Checkpoint",
    "DeadItem",
    "Dependency",
    "HistoryItem",
    "Key",
    "Progress",
    "Queue",
    "QueueItem",
    "Schedule",
    "ScheduleTick",
    "Worker",
]
