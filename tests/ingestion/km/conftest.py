"""A knowledge store over HTTP, and the settings that lead there."""

from __future__ import annotations

import pytest

from ingestion.diagnostics import recording
from ingestion.km.fake import FakeKM


@pytest.fixture(autouse=True)
def _keep_no_calls():
    """Most of these tests have no database to keep what calls have cost in."""
    with recording.muted():
        yield


@pytest.fixture
def km():
    """A fake store that behaves well until told otherwise."""
    with FakeKM(token="a-secret") as fake:
        yield fake


@pytest.fixture
def http_km(km, settings):
    """The same as the store in force."""
    settings.INGESTION = {
        **settings.INGESTION,
        "KM": "ingestion.km.http.HttpKM",
        "KM_URL": km.url,
        "KM_TOKEN": km.token,
        "KM_CONNECT_SECONDS": 2,
        "KM_READ_SECONDS": 2,
    }
    return km
