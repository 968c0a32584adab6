"""Storms start real workers, as the worker's tests do."""

from tests.docqueue.worker.conftest import manage

__all__ = ["manage"]
