"""How long calls are kept, and that no sum falls when they go."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from docqueue.duties import registered
from ingestion.diagnostics import keeping, metrics
from ingestion.diagnostics.keeping import prune
from ingestion.diagnostics.recording import write
from ingestion.models import KmCall, KmTotal
from tests.ingestion.diagnostics.making import call, crowd

pytestmark = pytest.mark.django_db(transaction=True)


def limit(settings, **limits):
    settings.INGESTION = {**settings.INGESTION, **limits}


def test_what_is_older_than_its_days_goes_and_the_rest_stays(settings):
    limit(settings, KM_CALL_DAYS=2)
    now = timezone.now()
    for days in (1, 1.9, 2.1, 9):
        write(call(at=now - timedelta(days=days)))
    assert prune(now) == 2
    assert min(KmCall.objects.values_list("started_at", flat=True)) > now - timedelta(days=2)
    assert prune(now) == 0


def test_no_more_than_so_many_stay_the_newest(settings):
    limit(settings, KM_CALL_ROWS=5)
    for n in range(12):
        write(call(total=n / 10))
    assert prune() == 7
    assert sorted(KmCall.objects.values_list("total_seconds", flat=True)) == [0.7, 0.8, 0.9, 1.0, 1.1]


def test_many_go_in_slices(settings):
    limit(settings, KM_CALL_ROWS=10)
    crowd(2_500)
    assert prune() == 2_490
    assert KmCall.objects.count() == 10


def test_a_round_ends_after_a_while_and_the_next_goes_on(settings, monkeypatch):
    limit(settings, KM_CALL_ROWS=10)
    monkeypatch.setattr(keeping, "SECONDS", 0)
    crowd(2_500)
    assert prune() == 1_000
    assert prune() == 1_000
    assert prune() == 490


def test_the_sums_are_the_same_before_and_after(settings):
    for n in range(30):
        write(call("put" if n % 2 else "exists", total=n / 10, code="km_5xx" if n % 5 == 0 else "", bytes_sent=n))
    before = sums()
    assert before["ingestion_km_calls_total", "put", ""] == 12
    limit(settings, KM_CALL_ROWS=7)
    assert prune() == 23
    assert sums() == before
    limit(settings, KM_CALL_ROWS=1)
    assert prune() == 6
    assert sums() == before
    assert KmTotal.objects.exists()


def test_two_that_prune_at_once_count_nothing_twice(settings):
    limit(settings, KM_CALL_ROWS=1)
    crowd(4_000)
    before, removed = sums(), []

    def go() -> None:
        removed.append(prune())
        connections.close_all()

    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    prune()
    assert KmCall.objects.count() == 1
    assert sum(removed) <= 3_999
    assert sums() == before


def test_it_is_a_duty():
    assert "ingestion.km_calls" in {duty.name for duty in registered()}


def sums() -> dict[tuple[str, ...], float]:
    """Every sample that Prometheus would see."""
    found = {}
    for family in metrics.CallsCollector().collect():
        for sample in family.samples:
            found[sample.name, *sample.labels.values()] = round(sample.value, 6)
    return found
