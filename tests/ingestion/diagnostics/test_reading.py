"""Percentiles of a window, what stands behind them, and what reading them costs."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from ingestion.diagnostics import reading
from ingestion.diagnostics.recording import write
from ingestion.models import KmCall
from tests.ingestion.diagnostics.making import call, crowd
from tests.ingestion.factories import UserFactory, accept, accept_document, upload

pytestmark = pytest.mark.django_db(transaction=True)
API = "/api/v1"


@pytest.fixture
def staff(transactional_db):
    return as_user(UserFactory(is_staff=True))


def as_user(user) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


# -- the store as a whole ----------------------------------------------------------------------------------------


def test_each_phase_has_its_percentiles_by_method(staff):
    for n in range(1, 101):
        write(call(total=n / 100, send_seconds=n / 1000))
    write(call("exists", total=0.5, connect_seconds=None, send_seconds=None, bytes_sent=0))
    body = staff.get(f"{API}/km/diagnostics").json()
    assert (body["calls"], body["complete"], body["hours"], body["store"]) == (101, True, 24, "local")
    exists, put = body["methods"]
    assert (put["method"], put["calls"], put["bytes_sent"]) == ("put", 100, 100_000)
    assert put["seconds"]["total"] == {"p50": 0.505, "p95": 0.9505, "p99": 0.9901}
    assert put["seconds"]["connect"] == {"p50": 0.01, "p95": 0.01, "p99": 0.01}
    assert put["bytes_per_second"] == pytest.approx(100_000 / 5.05)
    assert (exists["seconds"]["connect"], exists["seconds"]["send"], exists["bytes_per_second"]) == (None, None, None)


def test_failures_retries_and_the_slowest_are_told(staff):
    for n in range(15):
        write(call(total=n))
    for _ in range(2):
        write(call(code="km_5xx", status=500, attempt=2))
    write(call(code="km_timeout", status=None))
    body = staff.get(f"{API}/km/diagnostics").json()
    [put] = body["methods"]
    assert (put["failed"], put["retries"]) == (3, 2)
    assert [(one["code"], one["calls"]) for one in body["error_codes"]] == [("km_5xx", 2), ("km_timeout", 1)]
    assert [one["seconds"]["total"] for one in body["slowest"]] == [14, 13, 12, 11, 10, 9, 8, 7, 6, 5]


def test_hours_and_method_narrow_it(staff):
    now = timezone.now()
    for hours in (0.5, 3, 30):
        write(call(at=now - timedelta(hours=hours)))
        write(call("exists", at=now - timedelta(hours=hours), total=9))
    told = {
        hours: staff.get(f"{API}/km/diagnostics", {"hours": hours, "method": "put"}).json() for hours in (1, 24, 48)
    }
    assert {hours: body["calls"] for hours, body in told.items()} == {1: 1, 24: 2, 48: 3}
    assert {one["method"] for one in told[48]["slowest"]} == {"put"}


@pytest.mark.parametrize(
    "asked", [{"hours": "0"}, {"hours": "745"}, {"hours": "x"}, {"hours": "1.5"}, {"hours": ""}, {"method": "x" * 33}]
)
def test_a_window_that_makes_no_sense_is_refused(staff, asked):
    answer = staff.get(f"{API}/km/diagnostics", asked)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_window")


@pytest.mark.parametrize(
    ("codes", "state", "in_a_row"),
    [
        ([], "unknown", 0),
        (["", ""], "closed", 0),
        (["", "km_unavailable", "km_unavailable"], "closed", 2),
        (["", "km_auth", "km_unavailable", "km_unavailable"], "open", 3),
        (["km_unavailable"] * 5 + [""], "closed", 0),
        (["km_unavailable"] * 3 + ["km_rejected_4xx"], "closed", 0),
    ],
)
def test_the_newest_calls_tell_whether_the_store_is_left_alone(codes, state, in_a_row):
    for code in codes:
        write(call(code=code))
    found = reading.breaker()
    assert (found.state, found.failures_in_a_row) == (state, in_a_row)


def test_it_is_for_staff_only(owner):
    answer = as_user(owner).get(f"{API}/km/diagnostics")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert APIClient().get(f"{API}/km/diagnostics").status_code == 401


def test_reading_costs_no_more_than_its_bound(staff, monkeypatch):
    """However many rows there are: the newest by the index of times, and none of them twice."""
    monkeypatch.setattr(reading, "MOST_CALLS", 2_000)
    crowd(50_000, hours=23)
    with CaptureQueriesContext(connection) as said:
        found = reading.diagnose()
    assert (found.calls, found.complete) == (2_000, False)
    assert found.slowest[0].total_seconds == 2.0, "among the newest"
    for query in said.captured_queries:
        nodes, rows = plan(query["sql"])
        assert "Seq Scan" not in {node["Node Type"] for node in nodes if node.get("Relation Name")}, query["sql"]
        assert rows <= 2 * 2_000 + 100, query["sql"]


# -- one upload --------------------------------------------------------------------------------------------------


def test_an_owner_sees_the_calls_about_an_uploads_documents_and_no_others(owner):
    intake = accept(owner, upload("a.txt", "a"), upload("b.txt", "b"))
    mine = sorted(intake.files.values_list("document_id", flat=True))
    other = accept_document(UserFactory())
    write(call("exists", document_ids=mine))
    write(call("put_many", document_ids=(*mine, other.pk), attempt=2))
    write(call(document_ids=(other.pk,)))
    write(call("health", document_ids=()))
    body = as_user(owner).get(f"{API}/intakes/{intake.pk}/diagnostics").json()
    assert (body["intake_id"], body["complete"]) == (intake.pk, True)
    assert [(one["method"], one["attempt"], one["document_ids"]) for one in body["calls"]] == [
        ("put_many", 2, mine),
        ("exists", 1, mine),
    ]
    assert body["calls"][0]["seconds"] == {
        "queue_wait": 0.001, "connect": 0.01, "send": 0.1, "first_byte": 0.15, "total": 0.2
    }  # fmt: skip
    assert body["calls"][0]["bytes_per_second"] == 10_000


def test_another_users_upload_is_not_found(owner):
    intake = accept(UserFactory())
    assert as_user(owner).get(f"{API}/intakes/{intake.pk}/diagnostics").status_code == 404
    assert APIClient().get(f"{API}/intakes/{intake.pk}/diagnostics").status_code == 401


def test_the_calls_of_an_upload_are_found_by_an_index_and_bounded(owner, monkeypatch):
    monkeypatch.setattr(reading, "MOST_SHOWN", 20)
    monkeypatch.setattr(reading, "MOST_DOCUMENTS", 2)
    intake = accept(owner, *[upload(f"{n}.txt", str(n)) for n in range(3)])
    documents = sorted(intake.files.values_list("document_id", flat=True))
    crowd(30_000)
    KmCall.objects.filter(document_ids__overlap=documents).delete()
    for n in range(30):
        write(call(total=n, document_ids=(documents[n % 3],)))
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze ingestion_kmcall")
    with CaptureQueriesContext(connection) as said:
        found = reading.of_intake(intake)
    assert not found.complete
    assert {pk for one in found.calls for pk in one.document_ids} == set(documents[1:]), "the newest documents"
    assert len(found.calls) == 20
    statements = [query["sql"] for query in said.captured_queries if "&&" in query["sql"]]
    nodes, rows = plan(statements[0])
    assert "ingestion_kmcall_documents" in {node.get("Index Name") for node in nodes}
    assert rows < 100


def test_a_real_upload_to_a_real_store_can_be_asked_for_its_calls(owner, worker, http_km):
    intake = accept(owner, upload("a.txt", "The heron waits."))
    worker.run()
    body = as_user(owner).get(f"{API}/intakes/{intake.pk}/diagnostics").json()
    assert body["calls"][0]["method"] == "put"
    assert all(one["seconds"]["total"] > 0 for one in body["calls"])
    assert as_user(UserFactory(is_staff=True)).get(f"{API}/km/diagnostics").json()["store"] == "http"


def plan(sql: str) -> tuple[list[dict], float]:
    """The nodes of a statement's plan, and the most rows that one read of a table gave."""
    with connection.cursor() as cursor:
        cursor.execute(f"explain (analyze, format json) {sql}")
        found = cursor.fetchone()[0]
    waiting = [(json.loads(found) if isinstance(found, str) else found)[0]["Plan"]]
    nodes: list[dict] = []
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        waiting += node.get("Plans", [])
    read = [node["Actual Rows"] * node["Actual Loops"] for node in nodes if node.get("Relation Name")]
    return nodes, max(read, default=0)
