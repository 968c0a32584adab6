"""Fixtures of the ingestion tests: an owner, a storage of their own, and a worker that runs in this process."""

from __future__ import annotations

import pytest

from tests.ingestion.factories import UserFactory
from tests.ingestion.running import InlineWorker


@pytest.fixture
def documents_dir(settings, tmp_path):
    """The document storage of this test: an empty folder."""
    folder = tmp_path / "documents"
    backend = settings.STORAGES["documents"]
    options = {**backend["OPTIONS"], "location": folder}
    settings.STORAGES = {**settings.STORAGES, "documents": {**backend, "OPTIONS": options}}
    return folder


@pytest.fixture
def owner(transactional_db, documents_dir):
    """A user whose documents these are."""
    return UserFactory()


@pytest.fixture
def worker(transactional_db):
    """Runs what is due, in this process and on demand."""
    return InlineWorker()
