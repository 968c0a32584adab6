"""The only room that opens a cursor: its statements, and what it makes of errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection, connections, transaction
from django.db.utils import InterfaceError

import docqueue
from docqueue import claiming, store
from docqueue.maintenance import prune, reap
from docqueue.models import Attempt, Progress, Worker
from tests.docqueue.helpers import OPERATION, T0, later, rows, second_alias, worker

SOURCE = Path(docqueue.__file__).parent


@pytest.mark.parametrize("name", store.names())
def test_every_statement_says_first_what_it_is_for(name):
    text = store.sql(name)
    assert text.startswith("-- "), "a comment for the reader"
    assert not text.rstrip().endswith(";")
    assert len(text.splitlines()) <= 80


@pytest.mark.parametrize("name", store.names())
def test_every_statement_is_used(name):
    users = [path for path in SOURCE.rglob("*.py") if re.search(rf'"{name}"', path.read_text(encoding="utf-8"))]
    assert users, f"nobody runs sql/{name}.sql"


@pytest.mark.parametrize("name", store.names())
def test_no_index_is_asked_for_a_clock_that_goes_on(name):
    """clock_timestamp() is volatile: compared with a column it is a filter on every row; a sub-select is read once."""
    bare = r"[<>]=?\s*coalesce\(%\(now\)s::timestamptz, clock_timestamp\(\)\)"
    assert not re.search(bare, store.sql(name))


def test_statements_take_no_time_from_the_start_of_the_transaction():
    """now() stands still in a transaction: a lease made of it would be shorter than it says."""
    for name in store.names():
        assert not re.search(r"\b(now\(\)|current_timestamp|localtimestamp)", store.sql(name), re.IGNORECASE), name


def test_statements_keep_no_session_state():
    for name in store.names():
        text = store.sql(name)
        assert not re.search(r"pg_(try_)?advisory_(?!xact)", text), name
        assert not re.search(r"\b(listen|prepare|temp)\b", re.sub(r"--.*", "", text), re.IGNORECASE), name


@pytest.mark.django_db
def test_the_clock_is_the_databases_and_runs_on_inside_a_transaction():
    first, second = store.clock("default"), store.clock("default")
    assert first < second
    assert first.tzinfo is not None


@pytest.mark.django_db(transaction=True)
def test_work_done_apart_is_no_part_of_the_transaction_around_it():
    def write() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "insert into docqueue_audit (at, actor, action, filter, count, reason)"
                " values (%s, 'a', 'b', '{}', 1, '')",
                [T0],
            )

    with transaction.atomic():
        store.apart("default", write)
        transaction.set_rollback(True)
    assert rows("select actor from docqueue_audit") == [{"actor": "a"}]
    with pytest.raises(ZeroDivisionError):
        store.apart("default", lambda: 1 / 0)  # type: ignore[arg-type,return-value]


def caused(error: Exception, sqlstate: str | None) -> Exception:
    class Cause(Exception):
        """What psycopg would raise."""

    cause = Cause()
    cause.sqlstate = sqlstate  # type: ignore[attr-defined]
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "unwell"),
    [
        (caused(OperationalError("gone"), "57P01"), True),
        (caused(OperationalError("starting up"), "57P03"), True),
        (caused(OperationalError("disk full"), "53100"), True),
        (caused(OperationalError("too many connections"), "53300"), True),
        (caused(OperationalError("connection failure"), "08006"), True),
        (caused(OperationalError("read only"), "25006"), True),
        (caused(OperationalError("server closed the connection"), None), True),
        (InterfaceError("connection already closed"), True),
        (caused(IntegrityError("duplicate"), "23505"), False),
        (caused(DataError("bad"), "22P02"), False),
        (ValueError("no database at all"), False),
    ],
    ids=str,
)
def test_an_unwell_database_is_told_from_a_bad_statement(error, unwell):
    assert store.is_unwell(error) is unwell


@pytest.mark.django_db(transaction=True)
def test_an_ended_session_is_an_unwell_database_and_a_new_one_heals_it():
    with second_alias() as second:
        with connections[second].cursor() as cursor:
            cursor.execute("select pg_backend_pid()")
            rows("select pg_terminate_backend(%s)", cursor.fetchone())
        with pytest.raises(OperationalError) as caught:
            store.clock(second)
        assert store.is_unwell(caught.value)
        store.close(second)
        assert store.clock(second)


@pytest.mark.django_db
def test_prune_removes_what_belongs_to_items_and_workers_that_are_gone(service, settings):
    settings.DOCQUEUE = {"RETENTION_DAYS": 14}
    kept = service.enqueue("kept", OPERATION, ordering_key=None, now=T0)
    gone = service.enqueue("gone", OPERATION, ordering_key=None, now=T0)
    stopped, busy = worker(T0), worker(T0)
    claiming.stop("default", stopped, T0)
    for item in (kept, gone):
        claim = service.mark_in_progress(item, now=T0)
        params = {"item_id": item.id, "token": claim.claim_token, "percent": 1, "stage": "", "message": ""}
        store.run("default", "progress", params)
        service.mark_failed(claim, "x", retry_after=0, now=T0)
    service.cancel(gone, now=T0)
    assert prune.run("default", later(days=1)) == 1, "the progress of a finished item goes at once"
    assert prune.run("default", later(days=3)) == 1, "a stopped worker after two days"
    assert prune.run("default", later(days=15)) == 1, "attempts after the retention"
    assert list(Attempt.objects.values_list("item_id", flat=True)) == [kept.id]
    assert list(Progress.objects.values_list("item_id", flat=True)) == [kept.id]
    assert list(Worker.objects.values_list("id", flat=True)) == [busy]
    reap.run("default", later(days=15))
    assert prune.run("default", later(days=18)) == 1
