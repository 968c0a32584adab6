"""The operator's pages in the Django admin. Nothing here changes an item but through `DocumentQueueService`."""

from docqueue.admin import attempts, audit, bulk, history, items, queues, schedules, workers

__all__ = ["attempts", "audit", "bulk", "history", "items", "queues", "schedules", "workers"]
