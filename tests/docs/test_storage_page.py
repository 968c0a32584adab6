"""The commands and examples of docs/how-to/storage.md, run as they stand there."""

from __future__ import annotations

import io
import json
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from config.documents_place import documents_storage
from ingestion.models import Document, IngestFile
from ingestion.s3 import S3Storage
from tests.ingestion.conftest import aws, documents_dir, in_s3, moto, owner, worker  # noqa: F401 - fixtures
from tests.ingestion.factories import accept_document


def lines(root: Path, beginning: str) -> list[list[str]]:
    page = (root / "docs/how-to/storage.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    found = [line for block in blocks for line in block.splitlines() if line.startswith(beginning)]
    return [shlex.split(line, comments=True) for line in found]


def examples(root: Path) -> list[dict]:
    page = (root / "docs/how-to/storage.md").read_text()
    return [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)]


@pytest.mark.django_db(transaction=True)
def test_the_downloads_of_the_page_bring_the_bytes(root: Path, owner, worker) -> None:  # noqa: F811
    accept_document(owner, "The heron waits. " * 20)
    worker.run()
    client = APIClient()
    client.force_authenticate(owner)
    sent = lines(root, "curl")
    assert len(sent) == 3
    for words in sent:
        address = words[-1].replace("$API", "/api/v1").replace("documents/56", f"documents/{Document.objects.get().pk}")
        address = address.replace("files/77", f"files/{IngestFile.objects.get().pk}")
        wanted = {"HTTP_RANGE": f"bytes={words[words.index('-r') + 1]}"} if "-r" in words else {}
        answer = client.get(address, **wanted)
        assert (answer.status_code, answer["Content-Length"]) == ((206, "100") if wanted else (200, "340"))


@pytest.mark.django_db(transaction=True)
def test_the_checks_of_the_page_find_all_well(root: Path, owner, worker) -> None:  # noqa: F811
    accept_document(owner)
    worker.run()
    commands = lines(root, "manage.py storage_check")
    assert len(commands) == 5
    for words in commands:
        call_command(*words[1:], stdout=io.StringIO(), stderr=io.StringIO())


def test_the_addresses_of_the_page_are_understood(root: Path) -> None:
    given = [words[1].removeprefix("DOCUMENTS_URL=") for words in lines(root, "export")]
    made = [S3Storage(**documents_storage(url, Path("x"))["OPTIONS"]).options for url in given]
    assert [(each.bucket, each.prefix) for each in made] == [("my-documents", "kept")] * 2
    assert made[1].endpoint_url == "https://minio.example.org"


def test_every_option_stands_in_the_table(root: Path) -> None:
    table = (root / "docs/how-to/storage.md").read_text()
    for name in S3Storage(bucket="docs").options.__dataclass_fields__:
        assert name in ("bucket", "prefix") or f"`{name}`" in table, name


def test_the_rule_for_unfinished_uploads_is_one_that_s3_takes(root: Path, in_s3) -> None:  # noqa: F811
    rights, rule = examples(root)
    in_s3.client.put_bucket_lifecycle_configuration(Bucket=in_s3.options.bucket, LifecycleConfiguration=rule)
    kept = in_s3.client.get_bucket_lifecycle_configuration(Bucket=in_s3.options.bucket)["Rules"]
    assert kept[0]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 2}
    assert {each["Effect"] for each in rights["Statement"]} == {"Allow"}
