"""Prometheus metrics: counters from events, gauges from the database, and life without prometheus_client."""

import subprocess
import sys
import textwrap

import pytest
from django.db import connection
from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from docqueue import claiming, events
from docqueue.events import Event, EventName
from docqueue.models import Resolution, Worker
from docqueue.receivers import metrics


@pytest.fixture
def counted():
    """Counters of their own, and a look at one sample."""
    registry = CollectorRegistry()
    return metrics.Counters(registry), registry.get_sample_value


def gauges(collector):
    """(name, labels) -> value of all gauges."""
    return {(s.name, *s.labels.values()): s.value for family in collector.collect() for s in family.samples}


def test_every_end_of_a_run_is_counted_by_queue_operation_and_outcome(counted):
    counters, value = counted
    for outcome, seconds in (("completed", (0.01, 2)), ("dead", (1,))):
        fields = {"queue": "q", "operation": "o", "outcome": outcome, "count": len(seconds), "seconds": seconds}
        counters(Event(name=EventName.RUNS_ENDED, fields=fields))

    labels = {"queue": "q", "operation": "o"}
    assert value("docqueue_attempts_total", labels | {"outcome": "completed"}) == 2
    assert value("docqueue_attempts_total", labels | {"outcome": "dead"}) == 1
    assert value("docqueue_attempt_duration_seconds_count", labels) == 3
    assert value("docqueue_attempt_duration_seconds_sum", labels) == pytest.approx(3.01)


@pytest.mark.parametrize(
    ("event", "fields", "sample", "labels", "expected"),
    [
        (EventName.ITEMS_ENQUEUED, {"operation": "o", "count": 1}, "enqueued", {"operation": "o"}, 1),
        (EventName.ITEMS_ENQUEUED, {"count": 500}, "enqueued", {"operation": ""}, 500),
        (EventName.ITEMS_CLAIMED, {"count": 7}, "claimed", {}, 7),
        (EventName.ITEMS_REAPED, {"count": 3}, "reaped", {}, 3),
        (EventName.WORKER_LOST, {"worker_id": 1}, "workers_lost", {}, 1),
        (EventName.LEASE_LOST, {"worker_id": 1}, "leases_lost", {}, 1),
        (EventName.CHILD_DIED, {"cause": "SIGKILL"}, "child_deaths", {}, 1),
        (EventName.DATABASE_UNWELL, {"error": "gone"}, "database_outages", {}, 1),
        (EventName.DUTY_FAILED, {"duty": "reap", "error": "x"}, "duty_failures", {"duty": "reap"}, 1),
    ],
)
def test_events_are_counted(counted, event, fields, sample, labels, expected):
    counters, value = counted
    counters(Event(name=event, fields=fields))
    assert value(f"docqueue_{sample}_total", labels) == expected


@pytest.mark.parametrize("name", EventName)
def test_no_event_of_the_queue_hurts_the_counters(counted, name, caplog):
    fields = {"queue": "q", "operation": "o", "outcome": "completed", "seconds": (1,), "count": 1, "duty": "d"}
    counted[0](Event(name=name, fields=fields))


def test_labels_hold_neither_ids_nor_messages(counted):
    counters, _ = counted
    labels = {label for metric in vars(counters).values() for label in metric._labelnames}
    assert labels == {"queue", "operation", "outcome", "duty"}


def test_installing_twice_counts_once():
    assert metrics.install()
    assert metrics.install()
    before = sample("docqueue_claimed_total")
    events.emit(EventName.ITEMS_CLAIMED, 10, count=2)
    assert sample("docqueue_claimed_total") == before + 2


def sample(name):
    from prometheus_client import REGISTRY

    return REGISTRY.get_sample_value(name) or 0


@pytest.mark.django_db
def test_the_gauges_tell_depths_ages_and_workers(service, register):
    register("metrics.demo", queue="demo")
    service.enqueue(None, "metrics.demo")
    service.enqueue(None, "metrics.demo", delay_seconds=60)
    item = service.mark_in_progress(service.enqueue(None, "metrics.demo"))
    service.move_to_dead(item, "no")
    claiming.register("default", Worker.Kind.WORKER, lease_seconds=30, queues=["demo"])

    found = gauges(metrics.DatabaseCollector())

    assert found["docqueue_up",] == 1
    states = ("pending", "in_progress", "waiting", "retrying", "dead")
    assert [found["docqueue_items", "demo", state] for state in states] == [1, 0, 1, 0, 1]
    assert found["docqueue_oldest_due_seconds", "demo"] >= 0
    assert (found["docqueue_workers",], found["docqueue_queue_workers", "demo"]) == (1, 1)


@pytest.mark.django_db
def test_the_gauges_tell_how_quickly_people_see_to_dead_items():
    at = timezone.now()
    for seconds, number in ((10, 90), (100, 9), (1000, 1)):
        Resolution.objects.create(at=at, seconds=seconds, number=number)
    found = gauges(metrics.DatabaseCollector())
    name = "docqueue_dlq_resolution_seconds"
    assert (found[name, "0.5"], found[name, "0.95"], found["docqueue_dlq_resolved_items",]) == (10, 100, 100)


@pytest.mark.django_db
def test_several_scrapes_within_a_second_read_the_database_once(django_assert_num_queries):
    collector = metrics.DatabaseCollector()
    with django_assert_num_queries(3):
        list(collector.collect())
        list(collector.collect())


def test_registering_the_gauges_does_not_touch_the_database(django_assert_max_num_queries):
    CollectorRegistry(auto_describe=True).register(metrics.DatabaseCollector("default"))


@pytest.mark.django_db(transaction=True)
def test_a_database_that_can_not_be_read_is_a_zero_and_no_error():
    with connection.cursor() as cursor:
        cursor.execute("alter table docqueue_worker rename to docqueue_elsewhere")
    try:
        found = gauges(metrics.DatabaseCollector())
    finally:
        with connection.cursor() as cursor:
            cursor.execute("alter table docqueue_elsewhere rename to docqueue_worker")
    assert found == {("docqueue_up",): 0}


@pytest.mark.django_db
@pytest.mark.parametrize("multiprocess", [False, True])
def test_a_scrape_holds_counters_and_gauges_and_parses(monkeypatch, tmp_path, multiprocess):
    metrics.install()
    if multiprocess:
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    body, content_type = metrics.scrape()

    names = {family.name for family in text_string_to_metric_families(body.decode())}
    assert content_type.startswith("text/plain")
    assert {"docqueue_up", "docqueue_workers"} <= names
    assert ("docqueue_claimed" in names) is not multiprocess  # no process has written into that folder


def test_without_prometheus_client_the_queue_works_and_says_what_is_missing(root):
    code = """
        import sys
        sys.modules["prometheus_client"] = None
        from docqueue.receivers import metrics
        assert metrics.install() is False
        try:
            metrics.scrape("default")
        except RuntimeError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "docqueue[prometheus]" in done.stdout
