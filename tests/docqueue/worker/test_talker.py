"""The talker: a thread with a connection of its own, which hears of new items where it can, and looks by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import Error, connection

from docqueue import store
from docqueue.service import DocumentQueueService
from docqueue.worker.lanes import Lanes
from docqueue.worker.talk import Answer, Appetite, Request, Talk
from docqueue.worker.talker import Thread
from tests.docqueue.helpers import rows, until, worker

pytestmark = pytest.mark.django_db(transaction=True)
LOOK = Request(look=True, appetite=Appetite(size=1))


@pytest.fixture
def talker() -> Iterator[Thread]:
    """A talker of a worker row of its own."""
    thread = Thread(Talk("default", worker(None), Lanes("default")))
    thread.start()
    yield thread
    thread.close()


def ask(talker: Thread, request: Request = LOOK) -> Answer:
    """One talk to its answer."""
    talker.submit(request)
    return wait(talker)


def wait(talker: Thread) -> Answer:
    found: list[Answer] = []

    def answered() -> bool:
        found.extend(filter(None, [talker.take()]))
        return bool(found)

    until(answered)
    return found[0]


def listeners() -> list[int]:
    """Sessions whose last statement was to listen."""
    sql = "select pid from pg_stat_activity where datname = current_database() and query = 'listen docqueue'"
    return [r["pid"] for r in rows(sql)]


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def notify(payload: str) -> None:
    rows("select pg_notify('docqueue', %s)", [payload])


def test_a_notification_arrives_without_any_talk(talker: Thread) -> None:
    assert not talker.listening, "it has no connection before the first talk"
    ask(talker)
    until(lambda: talker.listening)
    notify("news")
    until(lambda: "news" in talker.heard())


def test_a_notification_that_arrives_with_an_answer_is_heard(talker: Thread) -> None:
    ask(talker)
    until(lambda: talker.listening)
    for n in range(20):
        notify(f"news {n}")
        ask(talker)
    heard: set[str] = set()
    until(lambda: heard.update(talker.heard()) or len(heard) == 20)


def test_items_come_whole_from_the_statement_that_its_session_prepared(
    talker: Thread, service: DocumentQueueService
) -> None:
    ask(talker)
    until(lambda: talker.listening)
    service.enqueue("d-1", "test.noop", payload={"ä": [1, None, "\\"]}, metadata={"user": "u"}, timeout_seconds=1.5)
    (item,) = ask(talker).claimed
    assert (item.operation, item.document_id, item.attempt, item.suspect) == ("test.noop", "d-1", 1, False)
    assert (item.payload, item.metadata["user"], item.timeout_seconds) == ({"ä": [1, None, "\\"]}, "u", 1.5)
    assert abs((item.claimed_at - item.enqueued_at).total_seconds()) < 60


def test_behind_a_pooler_it_neither_listens_nor_changes_the_session(
    talker: Thread, service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What gives a pooler away: the number of the session's process is not the one that the connection began with."""
    run("create function public.pg_backend_pid() returns int language sql as 'select 0'")
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"options": "-c search_path=public,pg_catalog"})
    try:
        ask(talker)
        service.enqueue(None, "test.noop")
        assert [i.operation for i in ask(talker).claimed] == ["test.noop"]
        assert not talker.listening
        assert listeners() == []
    finally:
        run("drop function public.pg_backend_pid()")


def test_an_idle_connection_that_breaks_is_told_and_replaced(talker: Thread) -> None:
    ask(talker)
    until(lambda: bool(talker.listening and listeners()))
    errors: list[Error] = []
    for pid in listeners():
        rows("select pg_terminate_backend(%s)", [pid])

    def told() -> bool:
        errors.extend(filter(None, [talker.broken()]))
        return bool(errors)

    until(told)
    assert store.is_unwell(errors[0])
    assert not talker.listening
    assert ask(talker).error is None
    until(lambda: talker.listening)


def test_without_listen_it_looks_by_itself_until_there_is_something(
    talker: Thread, service: DocumentQueueService, settings
) -> None:
    settings.DOCQUEUE = {"LISTEN": False}
    assert ask(talker).vain
    talker.submit(Request(look=True, appetite=Appetite(size=1), every=0.02))
    item = service.enqueue(None, "test.noop").id
    assert [i.id for i in wait(talker).claimed] == [item]
    assert not talker.listening


def test_it_stops_looking_by_itself_when_it_is_to_hurry(talker: Thread) -> None:
    ask(talker)
    talker.submit(Request(look=True, appetite=Appetite(size=1), every=3600.0))
    until(lambda: talker._request is None)
    talker.hurry()
    assert wait(talker).vain
    assert ask(talker).vain, "and talks on as before"


def test_a_connection_that_was_lost_at_the_end_of_a_talk_does_not_end_the_talker(
    talker: Thread, service: DocumentQueueService
) -> None:
    """The talk itself went well; what failed came after it, in a hook, and was logged there."""
    ask(talker)
    until(lambda: talker.listening)
    real = talker._talk

    def talk(request: Request) -> Answer:
        answer = real(request)
        store.connection("default").connection.pgconn.finish()
        talker._talk = real
        return answer

    talk.using = real.using  # type: ignore[attr-defined]
    talker._talk = talk  # type: ignore[assignment]
    assert ask(talker).error is None
    item = service.enqueue(None, "test.noop").id
    found: list[int] = []

    def claimed() -> bool:
        found.extend(i.id for i in ask(talker).claimed)
        return bool(found)

    until(claimed)
    assert found == [item]
    until(lambda: talker.listening)


def test_a_talker_that_has_died_is_not_waited_for() -> None:
    thread = Thread(Talk("default", worker(None), Lanes("default")))
    with pytest.raises(RuntimeError, match="has ended"):
        thread.take()
