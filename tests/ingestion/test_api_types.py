"""Which types of files can be read, over HTTP."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from ingestion import formats
from ingestion.extract import set_formats, supported_types
from tests.ingestion.test_formats import NOTE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client(owner):
    api = APIClient()
    api.force_authenticate(owner)
    return api


def test_every_type_is_listed_with_the_endings_of_its_names_and_recognition_is_said_to_be_off(client):
    body = client.get("/api/v1/types").json()
    assert [each["type"] for each in body["types"]] == list(supported_types())
    assert {"type": "doc", "content_type": "application/msword", "suffixes": [".doc", ".dot"]} in body["types"]
    assert body["text_recognition"] is False


def test_what_the_project_adds_is_listed_too(client, settings):
    settings.INGESTION = {**settings.INGESTION, "OCR": "ingestion.extract.ocr.recognise"}
    set_formats([NOTE])
    try:
        body = client.get("/api/v1/types").json()
    finally:
        formats.install()
    assert body["types"][-1] == {"type": "note", "content_type": "application/x-note", "suffixes": [".note", ".nt"]}
    assert body["text_recognition"] is True
