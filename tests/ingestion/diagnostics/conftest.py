"""The knowledge store over HTTP that the tests of km/ use."""

from tests.ingestion.km.conftest import http_km, km

__all__ = ["http_km", "km"]
