"""livez, readyz and the whole report."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder

from docqueue import claiming, health
from docqueue.models import QueueItem, Worker
from docqueue.service import DocumentQueueService

pytestmark = pytest.mark.urls("tests.docqueue.urls")


@pytest.fixture(autouse=True)
def fresh():
    """A process that has not looked at the migrations yet."""
    health._migrated.clear()
    yield
    health._migrated.clear()


def worker(kind=Worker.Kind.WORKER, lease_seconds=30, **options):
    return claiming.register("default", kind, lease_seconds=lease_seconds, **options)


def test_livez_answers_without_a_database(client):
    answer = client.get("/livez")  # pytest-django refuses any query here
    assert (answer.status_code, answer.json()) == (200, {"alive": True})
    assert "no-cache" in answer["Cache-Control"]


@pytest.mark.django_db
def test_readyz_is_ready_when_the_database_has_every_migration(client, django_assert_max_num_queries):
    assert (client.get("/readyz").status_code, client.get("/readyz").json()) == (200, {"ready": True})
    with django_assert_max_num_queries(1):
        client.head("/readyz")


@pytest.mark.django_db
def test_readyz_names_a_missing_migration_and_recovers(client):
    newest = MigrationRecorder.Migration.objects.filter(app="docqueue").order_by("-name")[0]
    MigrationRecorder.Migration.objects.filter(pk=newest.pk).delete()

    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reason": "1 migrations are not applied: run manage.py migrate."}

    MigrationRecorder(connection).record_applied(newest.app, newest.name)
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_the_probes_take_no_other_method(client, method):
    for path in ("/livez", "/readyz", "/healthz"):
        assert getattr(client, method)(path).status_code == 405


@pytest.fixture
def no_database(settings, monkeypatch, django_db_blocker):
    """The queue's database is where nobody listens."""
    place = {"ENGINE": "django.db.backends.postgresql", "NAME": "x", "HOST": "127.0.0.1", "PORT": "1"}
    monkeypatch.setitem(connections.settings, "nowhere", {**connection.settings_dict, **place})
    settings.DOCQUEUE = {"DATABASE": "nowhere"}
    with django_db_blocker.unblock():
        yield
    del connections["nowhere"]


def test_without_a_database_readyz_and_health_say_so_and_livez_lives(client, no_database):
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").json() == {"ready": False, "reason": health.NO_DATABASE}
    found = client.get("/healthz")
    assert found.status_code == 503
    assert found.json() == {
        "healthy": False,
        "database": False,
        "queue": False,
        "worker": False,
        "details": {"hints": [health.NO_DATABASE]},
    }


@pytest.mark.django_db
class TestReport:
    def test_without_a_worker_the_queue_is_not_healthy_and_says_what_to_run(self, client):
        answer = client.get("/healthz")
        assert answer.status_code == 503
        assert (answer.json()["database"], answer.json()["queue"], answer.json()["worker"]) == (True, True, False)
        assert answer.json()["details"]["hints"] == [health.NO_WORKER]

    def test_with_a_live_worker_it_is_healthy(self, client, service, register):
        register("health.demo", queue="demo")
        worker(processes=2)
        worker(processes=3)
        service.enqueue(None, "health.demo")
        service.enqueue(None, "health.demo", delay_seconds=60)
        service.mark_in_progress(service.enqueue(None, "health.demo"))

        answer = client.get("/healthz")

        assert (answer.status_code, answer.json()["healthy"]) == (200, True)
        details = answer.json()["details"]
        assert details["queue_counts"] == {"waiting": 2, "active": 1, "completed": 0, "failed": 0}
        assert (details["workers"], details["worker_concurrency"], details["hints"]) == (2, 5, [])

    def test_a_queue_that_no_worker_serves_is_not_healthy(self, service, register):
        register("health.demo", queue="demo")
        worker(queues=["mail"])
        service.enqueue(None, "health.demo")

        found = health.report()

        assert (found["healthy"], found["queue"], found["worker"]) == (False, False, True)
        assert found["details"]["hints"] == ["No worker serves queue demo: run manage.py run_queue_worker --queue demo"]

    def test_a_worker_whose_lease_ran_out_does_not_count(self):
        worker(lease_seconds=-1)
        claiming.stop("default", worker())
        assert health.report()["worker"] is False

    def test_a_caller_outside_a_worker_does_not_count(self):
        worker(kind=Worker.Kind.CALLER)
        assert health.report()["worker"] is False

    def test_where_cron_runs_the_queue_only_a_long_wait_is_unhealthy(self, service: DocumentQueueService, register):
        register("health.demo", queue="demo")
        worker(kind=Worker.Kind.CRON, lease_seconds=-1)
        item = service.enqueue(None, "health.demo")
        assert health.report()["healthy"] is True

        late = datetime.now(UTC) - timedelta(seconds=health.CRON_PATIENCE_SECONDS + 60)
        QueueItem.objects.filter(pk=item.id).update(enqueued_at=late)
        found = health.report()
        assert (found["healthy"], found["worker"], found["queue"]) == (False, False, False)
        assert found["details"]["hints"][0] == health.NO_CRON


@pytest.mark.django_db
def test_the_report_counts_how_the_connections_of_workers_and_their_processes_were(client):
    told = {
        "database": "ok",
        "slots": [{"pid": 1, "database": "down"}, {"pid": 2, "database": "ok"}, {"pid": 3}, "odd"],
    }
    Worker.objects.filter(pk=worker()).update(info=told)
    Worker.objects.filter(pk=worker()).update(info={"database": "reconnecting"})
    details = client.get("/healthz").json()["details"]
    assert details["worker_connections"] == {"ok": 2, "down": 1, "reconnecting": 1}
