"""Fixtures of the ingestion tests: an owner, a storage of their own, and a worker that runs in this process."""

from __future__ import annotations

import pytest

from tests.ingestion.factories import UserFactory
from tests.ingestion.running import InlineWorker
from tests.ingestion.s3servers import CREDENTIALS, entry, moto_server, place, with_bucket


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


@pytest.fixture(scope="session")
def moto():
    """The address of a server that means what S3 means."""
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def aws(monkeypatch):
    """Credentials as boto3 finds them."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def in_s3(settings, moto, aws, tmp_path):
    """The document storage of this test: an empty bucket; unfinished files lie in `tmp_path`."""
    options = place(moto)
    settings.STORAGES = {**settings.STORAGES, "documents": entry(options)}
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    return with_bucket(options)
