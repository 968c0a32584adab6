"""The admin's pages about calls to the knowledge store: to be read, and by whom."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from docqueue import listing
from ingestion.admin.km import milliseconds
from ingestion.diagnostics import reading
from ingestion.diagnostics.recording import write
from ingestion.models import KmCall
from tests.ingestion.diagnostics.making import call, crowd
from tests.ingestion.factories import UserFactory, accept_document

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "admin:ingestion_kmcall_changelist"
DIAGNOSTICS = "admin:ingestion_kmcall_diagnostics"


def logged_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def reader(transactional_db):
    """Staff who may see calls, and nothing else."""
    user = UserFactory(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_kmcall"))
    return logged_in(user)


def test_the_list_and_the_page_of_a_call_have_our_styles_and_a_name(reader, some):
    for address in (reverse(LIST), reverse("admin:ingestion_kmcall_change", args=[some[0]])):
        assert "docqueue/admin.css" in reader.get(address).content.decode()
    assert "<title>Knowledge store calls |" in reader.get(reverse(LIST)).content.decode()


def rows(page) -> list[int]:
    return [int(pk) for pk in re.findall(r"kmcall/(\d+)/change/", page.content.decode())]


@pytest.fixture
def some(transactional_db):
    write(call(document_ids=(7,)))
    write(call("exists", code="km_unavailable", status=None, document_ids=(7, 8)))
    write(call(code="km_5xx", status=500, document_ids=range(9, 30)))
    return list(KmCall.objects.order_by("id").values_list("pk", flat=True))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [2, 1, 0]),
        ({"method": "exists"}, [1]),
        ({"end": "ok"}, [0]),
        ({"end": "failed"}, [2, 1]),
        ({"end": "km_5xx"}, [2]),
        ({"end": "never_seen"}, []),
        ({"status": "2"}, [0]),
        ({"status": "none"}, [1]),
        ({"q": "7"}, [1, 0]),
        ({"q": "a word"}, []),
    ],
)
def test_the_list_is_narrowed(reader, some, asked, found):
    page = reader.get(reverse(LIST), asked)
    assert page.status_code == 200
    assert rows(page) == [some[n] for n in found]


def test_a_call_leads_to_its_documents(reader, some):
    text = reader.get(reverse(LIST)).content.decode()
    assert reverse("admin:ingestion_document_change", args=[8]) in text
    assert "and 16 more" in text
    page = reader.get(reverse("admin:ingestion_kmcall_change", args=[some[1]])).content.decode()
    assert "km_unavailable" in page
    assert "200.0\xa0ms" in page
    assert 'type="submit"' not in re.sub(r"(?s)<header.*?</header>", "", page)


def test_calls_can_only_be_looked_at(some):
    admin = logged_in(UserFactory(is_staff=True, is_superuser=True))
    change = reverse("admin:ingestion_kmcall_change", args=[some[0]])
    for address in (reverse("admin:ingestion_kmcall_add"), reverse("admin:ingestion_kmcall_delete", args=[some[0]])):
        assert admin.get(address).status_code == 403
    assert admin.post(change, {"method": "x"}).status_code == 403
    assert not Permission.objects.filter(content_type__model="kmcall").exclude(codename="view_kmcall").exists()


@pytest.mark.parametrize("name", [LIST, DIAGNOSTICS])
def test_who_may_not_see_them_does_not(some, name):
    assert logged_in(UserFactory(is_staff=True)).get(reverse(name)).status_code == 403
    assert logged_in(UserFactory()).get(reverse(name)).status_code == 302


def test_the_diagnostics_show_percentiles_failures_and_the_slowest(reader, some):
    for n in range(100):
        write(call(total=(n + 1) / 100))
    text = reader.get(reverse(DIAGNOSTICS)).content.decode()
    total = reading.diagnose(method="put").methods[0].seconds["total"]
    figures = {milliseconds(value) for value in (total.p50, total.p95, total.p99)}
    assert len(figures) == 3
    for words in (*figures, "km_5xx", "km_unavailable", "103 calls since", "closed", "9.8 KB/s".replace(" ", "\xa0")):
        assert words in text, words
    assert f"{reverse(LIST)}?method=put&amp;end=failed" in text
    narrowed = reader.get(reverse(DIAGNOSTICS), {"hours": "1", "method": "exists"}).content.decode()
    assert "1 calls since" in narrowed
    assert "<option selected>exists</option>" in narrowed


def test_a_window_that_makes_no_sense_is_said_and_the_last_day_shown(reader, some):
    page = reader.get(reverse(DIAGNOSTICS), {"hours": "x"})
    assert page.status_code == 200
    assert "whole number from 1 to 744" in page.content.decode()
    assert "3 calls since" in page.content.decode()


def test_the_pages_need_no_inline_script_or_style(reader, some):
    for name in (LIST, DIAGNOSTICS):
        text = reader.get(reverse(name)).content.decode()
        assert not re.search(r"<style|\sstyle=|\son\w+=", text)
        assert all("src=" in tag or "application/json" in tag for tag in re.findall(r"<script[^>]*>", text))


def test_the_list_counts_no_table_and_costs_the_same_however_long(reader):
    write(call())
    with CaptureQueriesContext(connection) as few:
        reader.get(reverse(LIST))
    crowd(3_000)
    with CaptureQueriesContext(connection) as many:
        reader.get(reverse(LIST))
    assert len(many) == len(few)
    counts = [q["sql"] for q in many.captured_queries if re.search(r"count\(\*\)", q["sql"], re.IGNORECASE)]
    assert all("LIMIT" in sql or "limit" in sql for sql in counts)


def test_a_document_leads_to_its_calls(owner):
    document = accept_document(owner)
    admin = logged_in(UserFactory(is_staff=True, is_superuser=True))
    page = admin.get(reverse("admin:ingestion_document_change", args=[document.pk])).content.decode()
    assert f'href="{reverse(LIST)}?q={document.pk}"' in page


def test_a_deleted_document_breaks_no_page(reader, owner):
    document = accept_document(owner)
    write(call(document_ids=(document.pk,)))
    document.delete()
    assert reader.get(reverse(DIAGNOSTICS)).status_code == 200


def test_a_method_that_was_called_long_ago_is_looked_for_so_far_a_page(reader, monkeypatch):
    monkeypatch.setattr(listing, "WINDOW", 3)
    write(call("exists"))
    for _ in range(4):
        write(call())
    first = reader.get(reverse(LIST), {"method": "exists"})
    assert rows(first) == []
    assert "Look further back" in first.content.decode()
    second = reader.get(f"{reverse(LIST)}{first.context['cl'].next_link}")
    assert rows(second) == [KmCall.objects.order_by("id").first().pk]
    assert "Look further back" not in second.content.decode()


def test_the_calls_of_a_document_are_found_wherever_they_are(reader, monkeypatch):
    monkeypatch.setattr(listing, "WINDOW", 3)
    write(call(document_ids=(99,)))
    for _ in range(4):
        write(call())
    page = reader.get(reverse(LIST), {"q": "99"})
    assert rows(page) == [KmCall.objects.order_by("id").first().pk]
    assert "Look further back" not in page.content.decode()


def test_the_newest_calls_of_a_seldom_method_are_found_by_an_index():
    crowd(3_000)
    crowd(2, method="delete")
    asked = {"since": timezone.now() - timedelta(hours=24), "method": "delete", "most": 10, "slowest": 10}
    with connection.cursor() as cursor:
        cursor.execute(f"explain {reading.SLOW}", asked)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "ingestion_kmcall_method" in plan, plan
