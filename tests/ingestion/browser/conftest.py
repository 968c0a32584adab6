"""The browser and the operator of the queue's pages, on those of ingestion."""

from tests.docqueue.browser.conftest import site

__all__ = ["site"]
