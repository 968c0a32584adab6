"""The tables. Reading them is free; changing an item goes through `DocumentQueueService`."""

from docqueue.models.control import BulkOperation, Depth, FinishedTotal, Limit
from docqueue.models.dead import DeadItem
from docqueue.models.failures import FailureGroup, Resolution
from docqueue.models.groups import Batch, Checkpoint, Dependency, Key, Progress, Schedule, ScheduleTick
from docqueue.models.history import AnyItem, HistoryItem
from docqueue.models.item import QueueItem
from docqueue.models.people import AuditEntry, Overview, Queue
from docqueue.models.worker import Attempt, Worker

__all__ = [
    "AnyItem",
    "Attempt",
    "AuditEntry",
    "Batch",
    "BulkOperation",
    "Checkpoint",
    "DeadItem",
    "Dependency",
    "Depth",
    "FailureGroup",
    "FinishedTotal",
    "HistoryItem",
    "Key",
    "Limit",
    "Overview",
    "Progress",
    "Queue",
    "QueueItem",
    "Resolution",
    "Schedule",
    "ScheduleTick",
    "Worker",
]
