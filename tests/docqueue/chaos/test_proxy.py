"""The proxy's traps: an answer that is held up after its statement has been carried out, or half of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection

from docqueue.chaos.proxy import Proxy, Trap
from tests.docqueue.helpers import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy(connection.get_connection_params())
    yield proxy
    proxy.cut()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[psycopg.Connection]:
    parameters = {**connection.get_connection_params(), "host": "127.0.0.1", "port": proxy.port}
    known = {name: parameters[name] for name in ("host", "port", "dbname", "user", "password") if parameters.get(name)}
    with psycopg.connect(**known, autocommit=True) as client:
        yield client


def ask(client: psycopg.Connection, query: str) -> tuple[threading.Thread, list[object]]:
    """Ask beside this thread; what it got."""
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.extend(client.execute(query).fetchall()))
    thread.start()
    return thread, got


@pytest.mark.parametrize("answer", [False, True], ids=["a request's answer", "half of an answer"])
def test_what_is_caught_has_been_carried_out_and_arrives_once_it_is_released(
    proxy: Proxy, client: psycopg.Connection, answer: bool
) -> None:
    trap = Trap(marker=b"marked" * 100 if answer else b"nextval", answer=answer)
    proxy.lay(trap)
    assert client.execute("select 'harmless'").fetchone() == ("harmless",)
    query = "select nextval('docqueue_position_seq') > 0, repeat('marked', 1000)"
    with connection.cursor() as cursor:
        cursor.execute("select nextval('docqueue_position_seq')")
        (before,) = cursor.fetchone()
        thread, got = ask(client, query)
        assert trap.caught.wait(10)

        def done() -> bool:
            cursor.execute("select last_value from docqueue_position_seq")
            return bool(cursor.fetchone()[0] > before)

        until(done)
    assert thread.is_alive()
    assert not got
    trap.released.set()
    thread.join(10)
    assert got == [(True, "marked" * 1000)]
    assert client.execute("select nextval('docqueue_position_seq') > 0").fetchone() == (True,), "it caught one only"


def test_a_trap_that_is_taken_up_catches_nothing(proxy: Proxy, client: psycopg.Connection) -> None:
    trap = Trap(marker=b"select", answer=False)
    proxy.lay(trap)
    proxy.take_up()
    assert client.execute("select 1").fetchone() == (1,)
    assert not trap.caught.is_set()
