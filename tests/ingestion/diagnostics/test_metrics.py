"""What Prometheus is told, and that it is well formed."""

from __future__ import annotations

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from ingestion.diagnostics import metrics
from ingestion.diagnostics.recording import write
from tests.ingestion.diagnostics.making import call
from tests.ingestion.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _read_anew(monkeypatch):
    monkeypatch.setattr(metrics, "_collector", metrics.CallsCollector())


def test_the_metrics_page_has_histograms_of_every_phase_and_counters():
    for total in (0.0005, 0.03, 0.03, 4.0, 99.0):
        write(call(total=total))
    write(call("exists", code="km_unavailable", status=None, bytes_sent=0, send_seconds=None, total=0.01))
    client = Client()
    client.force_login(UserFactory(is_staff=True))
    text = client.get("/metrics").content.decode()
    assert "# TYPE docqueue_items gauge" in text
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

    def value(name: str, **labels: str) -> float | None:
        return samples.get((name, *sorted(labels.items())))

    assert value("ingestion_km_calls_total", method="put", code="") == 5
    assert value("ingestion_km_calls_total", method="exists", code="km_unavailable") == 1
    assert value("ingestion_km_sent_bytes_total", method="put") == 5000
    steps = {le: value("ingestion_km_call_seconds_bucket", method="put", phase="total", le=le) for le in _bounds()}
    assert (steps["0.001"], steps["0.05"], steps["2.5"], steps["5.0"], steps["60.0"], steps["+Inf"]) == (
        1,
        3,
        3,
        4,
        4,
        5,
    )
    assert value("ingestion_km_call_seconds_count", method="put", phase="total") == 5
    assert value("ingestion_km_call_seconds_sum", method="put", phase="total") == pytest.approx(103.0605)
    assert value("ingestion_km_call_seconds_count", method="put", phase="send") == 5
    assert value("ingestion_km_call_seconds_count", method="exists", phase="send") is None


def test_without_a_database_the_page_has_none_of_them(monkeypatch):
    monkeypatch.setattr(metrics, "SUMS", "select from there_is_no_such_table")
    assert metrics.exposition() == b""


def test_the_database_is_read_once_for_several_scrapes(django_assert_num_queries):
    with django_assert_num_queries(1):
        for _ in range(3):
            metrics.exposition()


def _bounds() -> list[str]:
    return [*map(str, metrics.BOUNDS), "+Inf"]
