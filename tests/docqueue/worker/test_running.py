"""Whose fault a database error is: the database's, which then is unwell, or the handler's own."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from docqueue.worker.running import unwell

pytestmark = pytest.mark.django_db(transaction=True)


def failed(work: Callable[[], object]) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught, transaction.atomic():
        work()
    return caught.value


def error(kind: type[psycopg.Error]) -> DatabaseError:
    found = OperationalError("as the server said")
    found.__cause__ = kind()
    return found


def test_a_transaction_that_the_handler_made_read_only_is_its_own_fault() -> None:
    def write() -> None:
        with connection.cursor() as cursor:
            cursor.execute("set transaction read only")
            cursor.execute("delete from docqueue_audit")

    connection.ensure_connection()
    assert not unwell(failed(write), "default", connection.connection)


def test_a_database_that_takes_no_writes_is_unwell() -> None:
    with connection.cursor() as cursor:
        cursor.execute("set default_transaction_read_only = on")
    try:
        wrong = failed(lambda: connection.cursor().execute("delete from docqueue_audit"))
        assert unwell(wrong, "default", connection.connection)
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("kind", "whose"),
    [
        (psycopg.errors.DiskFull, True),
        (psycopg.errors.TooManyConnections, True),
        (psycopg.errors.AdminShutdown, True),
        (psycopg.errors.ConnectionFailure, True),
        (psycopg.errors.ConfigurationLimitExceeded, False),
        (psycopg.errors.DivisionByZero, False),
    ],
)
def test_the_codes_of_an_unwell_database(kind: type[psycopg.Error], whose: bool) -> None:
    connection.ensure_connection()
    assert unwell(error(kind), "default", connection.connection) is whose
