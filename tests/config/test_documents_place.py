"""DOCUMENTS_URL: the local disk where it is empty, else a bucket of S3."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.documents_place import documents_storage
from ingestion.checks import check_storage

FOLDER = Path("/var/documents")


def test_without_an_address_documents_lie_in_the_folder_for_their_owner_only():
    entry = documents_storage("", FOLDER)
    assert entry["BACKEND"].endswith("FileSystemStorage")
    assert entry["OPTIONS"] == {"location": FOLDER, "file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}


def test_an_address_names_bucket_prefix_and_options():
    url = "s3://docs/a%20b/c/?endpoint_url=http%3A%2F%2F127.0.0.1%3A9000&region=eu-central-1&part_bytes=16777216"
    entry = documents_storage(url, FOLDER)
    assert entry["BACKEND"] == "ingestion.s3.S3Storage"
    assert entry["OPTIONS"] == {
        "bucket": "docs",
        "prefix": "a b/c",
        "endpoint_url": "http://127.0.0.1:9000",
        "region": "eu-central-1",
        "part_bytes": "16777216",
    }


@pytest.mark.parametrize("url", ["http://docs", "s3:///prefix", "docs", "s3://key:hidden@docs/prefix"])
def test_any_other_address_is_refused_and_no_secret_repeated(url):
    with pytest.raises(ImproperlyConfigured) as refused:
        documents_storage(url, FOLDER)
    assert "hidden" not in str(refused.value)


def test_the_check_names_what_is_wrong_with_the_storage(settings):
    assert check_storage() == []
    settings.STORAGES = {**settings.STORAGES, "documents": documents_storage("s3://docs?nonsense=1", FOLDER)}
    [found] = check_storage()
    assert (found.id, "no option 'nonsense'" in found.msg) == ("ingestion.E005", True)


def test_the_check_names_the_missing_extra(settings, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)
    settings.STORAGES = {**settings.STORAGES, "documents": documents_storage("s3://docs", FOLDER)}
    [found] = check_storage()
    assert "docqueue[s3]" in found.msg
