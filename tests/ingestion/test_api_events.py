"""Server-sent events: a real ASGI server on loopback, asked by a client that reads as they come."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator

import psycopg
import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import AsyncRequestFactory, Client
from rest_framework.authtoken.models import Token
from rest_framework.test import force_authenticate

from config.processes import web_command
from ingestion.api.events import IntakeEventsView
from ingestion.models import Intake
from ingestion.services import delete_intake
from tests.ingestion.event_streams import Listener, gunicorn_asgi, serving, sessions, uvicorn
from tests.ingestion.factories import UserFactory, accept, accept_document, accept_zip, zipped
from tests.ingestion.running import WorkerProcess

pytestmark = pytest.mark.django_db(transaction=True)
PLACES = 2


@pytest.fixture(scope="module")
def environment(django_db_setup, django_db_blocker, root):
    """As `project_env`, for the whole module."""
    ours = {"DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_DATABASE": connection.settings_dict["NAME"]}
    return dict(os.environ) | ours | {"PYTHONPATH": str(root), "INGESTION_MAX_EVENT_STREAMS": str(PLACES)}


@pytest.fixture(scope="module")
def server(environment, root):
    with serving(gunicorn_asgi, root, environment) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_looked_at(transactional_db, server) -> Iterator[None]:
    """The server is done with its looks before the tables are emptied under it."""
    yield
    with contextlib.suppress(AssertionError):  # a test that failed may have left a stream open
        until(lambda: sessions() == 0, 5)


def token(user) -> dict[str, str]:
    return {"Authorization": f"Token {Token.objects.get_or_create(user=user)[0].key}"}


def listen(server, path, owner, **headers) -> Listener:
    return Listener.on(server, path, token(owner) | {name.replace("_", "-"): text for name, text in headers.items()})


def places_free(server, path, headers) -> bool:
    """Whether a stream can be opened now."""
    with server.get(path, headers) as answer:
        return answer.status == 200


def until(condition, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


# -- what is told ------------------------------------------------------------------------------------------------


def test_each_step_is_told_until_the_end(server, owner, worker):
    intake = accept_zip(owner, {"a.txt": "alpha", "b.txt": "beta"})
    stream = listen(server, f"intakes/{intake.pk}/events", owner)
    assert stream.answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert stream.answer.headers["Cache-Control"] == "private, no-cache"
    assert stream.answer.headers["X-Accel-Buffering"] == "no"
    first = stream.next()
    assert (first.name, first.data["message_code"]) == ("progress", "waiting_for_worker")
    assert stream.retry == 2000
    while worker.run(most=1000) == 0:
        pass
    *told, end = stream.rest()
    assert {event.name for event in told} == {"progress"}
    assert (told[-1].data["status"], told[-1].data["files_completed"]) == ("completed", 2)
    assert (end.name, end.id, end.data) == ("end", "end", {"reason": "finished"})


def test_an_event_is_the_answer_of_the_address_without_events_and_its_id_the_etag(server, owner, worker):
    document = accept_document(owner)
    for path in (f"documents/{document.pk}", f"intakes/{document.file.intake_id}"):
        event = listen(server, f"{path}/events", owner).next()
        with server.get(path, token(owner)) as answer:
            assert event.id == answer.headers["ETag"]
            assert event.data == json.load(answer)


def test_a_client_that_comes_back_hears_nothing_until_something_has_changed(server, owner, worker):
    intake = accept(owner)
    path = f"intakes/{intake.pk}/events"
    stream = listen(server, path, owner)
    tag = stream.next().id
    stream.close()
    until(lambda: places_free(server, path, token(owner)))
    again = Listener.on(server, path, token(owner) | {"Last-Event-ID": tag}, timeout=1.5)
    with pytest.raises(TimeoutError):
        again.next()
    again.close()
    again = listen(server, path, owner, Last_Event_ID=tag)
    claim = worker.claim()
    assert again.next().id != tag
    worker.run_claimed(claim)
    assert [event.name for event in again.rest()][-1] == "end"


def test_what_changed_while_a_client_was_away_is_told_at_once(server, owner, worker):
    document = accept_document(owner)
    path = f"documents/{document.pk}/events"
    stream = listen(server, path, owner)
    tag = stream.next().id
    stream.close()
    worker.run()
    progress, end = listen(server, path, owner, Last_Event_ID=tag).rest()
    assert (progress.data["outcome"], end.name) == ("completed", "end")
    [end] = listen(server, path, owner, Last_Event_ID=progress.id).rest()
    assert end.name == "end"


def test_who_was_told_the_end_is_told_to_stay_away_until_it_begins_anew(server, owner, worker, client):
    document = accept_document(owner)
    worker.run()
    path = f"documents/{document.pk}/events"
    with server.get(path, token(owner) | {"Last-Event-ID": "end", "Accept": "text/event-stream"}) as answer:
        assert (answer.status, answer.read()) == (204, b"")
    client.force_login(owner)
    assert client.post(f"/api/v1/documents/{document.pk}/reprocess", {}, "application/json").status_code == 202
    stream = listen(server, path, owner, Last_Event_ID="end")
    assert stream.next().data["finished"] is False
    stream.close()


# -- who may listen ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["intakes", "documents"])
def test_nobody_hears_of_what_is_anothers(server, owner, kind):
    document = accept_document(owner)
    pk = document.pk if kind == "documents" else document.file.intake_id
    status, problem, _ = server.refusal(f"{kind}/{pk}/events", token(UserFactory()))
    assert (status, problem["code"]) == (404, "not_found")
    status, problem, answer = server.refusal(f"{kind}/{pk}/events", {"Accept": "text/event-stream"})
    assert (status, problem["code"]) == (401, "not_authenticated")
    assert answer.headers["WWW-Authenticate"]


def test_a_browser_that_logs_out_hears_no_more(server, owner):
    intake = accept(owner)
    browser = Client()
    browser.force_login(owner)
    cookie = {"Cookie": f"sessionid={browser.cookies['sessionid'].value}"}
    stream = Listener.on(server, f"intakes/{intake.pk}/events", cookie)
    assert stream.next().data["id"] == intake.pk
    assert Session.objects.count() == 1
    browser.logout()
    [end] = stream.rest()
    assert (end.name, end.data) == ("end", {"reason": "not_authenticated"})


@pytest.mark.parametrize("lost", ["token", "account"])
def test_a_token_or_account_that_is_taken_back_ends_the_stream(server, owner, lost):
    stream = listen(server, f"intakes/{accept(owner).pk}/events", owner)
    assert stream.next().name == "progress"
    if lost == "token":
        Token.objects.filter(user=owner).delete()
    else:
        type(owner).objects.filter(pk=owner.pk).update(is_active=False)
    assert [event.data for event in stream.rest()] == [{"reason": "not_authenticated"}]


def test_a_deletion_ends_the_stream(server, owner):
    intake = accept(owner)
    stream = listen(server, f"intakes/{intake.pk}/events", owner)
    assert stream.next().name == "progress"
    delete_intake(intake, by="test")
    assert stream.rest()[-1].data == {"reason": "not_found"}


# -- what it takes -----------------------------------------------------------------------------------------------


def test_places_are_bounded_and_freed_by_clients_that_go(server, owner):
    path = f"intakes/{accept(owner).pk}/events"
    streams = [listen(server, path, owner) for _ in range(PLACES)]
    status, problem, answer = server.refusal(path, token(owner))
    assert (status, problem["code"], problem["retryable"]) == (429, "too_many_streams", True)
    assert answer.headers["Retry-After"] == "10"
    streams.pop().close()
    until(lambda: places_free(server, path, token(owner)))
    for stream in streams:
        stream.close()


def test_a_stream_that_has_nothing_to_tell_holds_no_connection_to_the_database(server, owner, worker):
    intake = accept(owner)
    stream = listen(server, f"intakes/{intake.pk}/events", owner)
    assert stream.next().name == "progress"

    seen = []
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        seen.append(sessions())
        time.sleep(0.02)
    assert max(seen) <= 1
    assert seen.count(0) > len(seen) // 2, seen
    stream.close()


def test_clients_that_leave_in_the_middle_of_a_look_leave_no_connection(server, owner):
    path = f"intakes/{accept(owner).pk}/events"
    for _ in range(10):
        until(lambda: places_free(server, path, token(owner)))
    until(lambda: sessions() == 0)


def test_a_stream_outlives_an_outage_of_the_database(server, owner, worker):
    """Nobody can connect for a while: the stream is silent, then tells what has happened meanwhile."""
    intake = accept(owner)
    stream = listen(server, f"intakes/{intake.pk}/events", owner)
    assert stream.next().name == "progress"
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    elsewhere = psycopg.connect(**{**connection.get_connection_params(), "dbname": "postgres"}, autocommit=True)
    with elsewhere:
        elsewhere.execute(f"alter database {name} allow_connections false")
        try:
            until(lambda: sessions() == 0)
            worker.run()
            told, _, _ = select.select([stream.socket], [], [], 2.5)
            assert not told, "it can not know of that"
        finally:
            elsewhere.execute(f"alter database {name} allow_connections true")
    *told, end = stream.rest()
    assert (told[-1].data["status"], end.data) == ("completed", {"reason": "finished"})


def test_only_get_opens_a_stream(server, owner):
    path = f"intakes/{accept(owner).pk}/events"
    assert server.get(path, token(owner), method="HEAD").status == 405


@pytest.mark.parametrize("command", [gunicorn_asgi, pytest.param(uvicorn, marks=pytest.mark.slow)])
def test_a_stop_of_the_server_ends_its_streams_at_once(environment, root, owner, command):
    path = f"intakes/{accept(owner).pk}/events"
    with serving(command, root, environment) as server:
        for _ in range(PLACES + 1):  # a client that goes frees its place
            until(lambda: places_free(server, path, token(owner)))
        until(lambda: places_free(server, path, token(owner)))
        stream = listen(server, path, owner)
        assert stream.next().name == "progress"
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert stream.rest() == []
        server.process.wait(10)
        assert time.monotonic() - began < 5


def test_a_stream_is_ended_after_its_time(environment, root, owner):
    intake = accept(owner)
    env = environment | {"INGESTION_MAX_EVENT_STREAM_SECONDS": "1"}
    with serving(gunicorn_asgi, root, env) as server:
        stream = listen(server, f"intakes/{intake.pk}/events", owner)
        [told] = stream.rest()
        assert told.name == "progress"
        assert places_free(server, f"intakes/{intake.pk}/events", token(owner))


@pytest.mark.slow
def test_a_silent_stream_beats(server, owner):
    stream = listen(server, f"intakes/{accept(owner).pk}/events", owner)
    assert stream.next().name == "progress"
    line = stream.answer.readline()
    assert line == b":\n"
    stream.close()


# -- by WSGI, and all together -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["intakes/{}/events", "documents/{}/events"])
def test_without_asgi_a_client_is_sent_to_ask(client, owner, path):
    client.force_login(owner)
    answer = client.get(f"/api/v1/{path.format(1)}", headers={"Accept": "text/event-stream"})
    assert (answer.status_code, answer.json()["code"]) == (406, "needs_asgi")
    assert "wait" in answer.json()["hint"]
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_gunicorn_refuses_streams(environment, root, owner):
    intake = accept(owner)
    with serving(web_command, root, environment) as server:
        status, problem, _ = server.refusal(f"intakes/{intake.pk}/events", token(owner))
        assert (status, problem["code"]) == (406, "needs_asgi")


def test_streams_can_be_switched_off(owner, settings):
    settings.INGESTION = {**settings.INGESTION, "MAX_EVENT_STREAMS": 0}
    request = AsyncRequestFactory().get("/api/v1/intakes/1/events")
    force_authenticate(request, owner)
    answer = IntakeEventsView.as_view()(request, pk=accept(owner).pk)
    assert (answer.status_code, answer.data["code"]) == (406, "events_off")


@pytest.mark.slow
def test_an_upload_is_followed_through_a_real_worker_to_its_end(environment, root, owner, settings, tmp_path):
    env = environment | {"VAR_DIR": str(tmp_path / "var"), "EMBEDDED_POSTGRES_DIR": os.environ["EMBEDDED_POSTGRES_DIR"]}
    with serving(gunicorn_asgi, root, env) as server:
        archive = zipped({f"{n}.txt": f"paper {n} " * 2000 for n in range(40)})
        sent = subprocess.run(
            [
                "curl", "-sS", "-H", f"Authorization: {token(owner)['Authorization']}", "-F",
                "file=@-;filename=papers.zip", f"http://127.0.0.1:{server.port}/api/v1/documents",
            ],
            input=archive, capture_output=True, check=True, timeout=60,
        )  # fmt: skip
        intake = Intake.objects.get(owner=owner)
        assert str(intake.pk).encode() in sent.stdout
        stream = listen(server, f"intakes/{intake.pk}/events", owner)
        first = stream.next()
        with WorkerProcess(root, env):
            *told, end = stream.rest()
    percents = [event.data["percent"] for event in [first, *told]]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert (told[-1].data["files_completed"], end.data) == (40, {"reason": "finished"})
