"""Filters of the lists of items: what each finds, that an address holds all of it, and how little it reads."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from docqueue import listing
from docqueue.admin import item_filters
from docqueue.models import BulkOperation
from tests.docqueue.admin.conftest import ALL
from tests.docqueue.helpers import worker

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]


def url(model, query=""):
    return f"{reverse(f'admin:docqueue_{model}_changelist')}{query and '?'}{query}"


def ids(client, address):
    answer = client.get(address)
    assert answer.status_code == 200, address
    return [row.pk for row in answer.context["cl"].result_list]


@pytest.fixture
def chief(operator):
    return operator(*ALL, "add_queueitem", "change_queueitem", "delete_historyitem", "view_bulkoperation", name="cleo")


def test_items_are_filtered_by_tenant_document_and_age_and_all_of_it_together(ann, service, operation, dead):
    now = datetime.now(UTC)
    old = service.enqueue("d1", operation, tenant="acme", now=now - timedelta(hours=3)).id
    new = service.enqueue("d1", operation, tenant="acme").id
    other = service.enqueue("d2", operation, tenant="zoo").id
    died = dead("d3")

    assert ids(ann, url("queueitem", "tenant=acme")) == [new, old]
    assert ids(ann, url("queueitem", "document_id=d2")) == [other]
    assert ids(ann, url("queueitem", "document_id=d3")) == ids(ann, url("deaditem", "document_id=d3")) == [died]
    assert ids(ann, url("queueitem", "age=1h")) == [old]
    assert ids(ann, url("queueitem", "age=1d")) == []
    assert ids(ann, url("queueitem", "document_id=d2&status=not_started")) == [other]
    assert ids(ann, url("queueitem", "status=not_started&tenant=acme&age=1h&queue=demo&operation=admin.demo")) == [old]
    assert ann.get(url("queueitem", "tenant=%00acme")).headers["Location"].endswith("?e=1")
    page = ann.get(url("queueitem", "tenant=acme&status=pending")).content.decode()
    form = page.split('id="docqueue-filter-document_id"')[0].rsplit("<form", 1)[1]
    assert '<input type="hidden" name="tenant" value="acme">' in form, "the other filters stay"
    assert '<input type="hidden" name="status" value="pending">' in form


def test_dead_and_finished_items_are_filtered_by_when_they_ended(ann, service, operation):
    now = datetime.now(UTC)
    made = {}
    for hours in (0, 5):
        ended = now - timedelta(hours=hours)
        for verb in ("mark_failed", "mark_completed"):
            service.enqueue(f"d{hours}", operation, now=ended)
            [item] = service.claim(1, queues=["demo"], now=ended)
            if verb == "mark_failed":
                service.mark_failed(item, "no", code="no", retryable=False, now=ended)
            else:
                service.mark_completed(item, now=ended)
            made[verb, hours] = item.id
    for model, verb in (("deaditem", "mark_failed"), ("historyitem", "mark_completed")):
        assert ids(ann, url(model, "within=1h")) == [made[verb, 0]]
        assert ids(ann, url(model, "age=1h")) == [made[verb, 5]]
        assert ids(ann, url(model, "age=1h&within=1d&document_id=d5")) == [made[verb, 5]]
        assert ids(ann, url(model, "age=7d")) == []


def test_what_people_look_for_again_and_again_stands_above_the_lists(ann, service, operation, dead):
    now = datetime.now(UTC)
    waiting = service.enqueue(None, operation, now=now - timedelta(hours=2)).id
    died = dead()
    failed = service.mark_in_progress(service.enqueue(None, operation))
    service.mark_failed(failed, "no luck", code="unlucky", retry_after=600)
    stuck = service.mark_in_progress(service.enqueue(None, operation)).id
    alive = service.mark_in_progress(service.enqueue(None, operation)).id
    item_filters.QueueItem.objects.filter(pk=alive).update(worker_id=worker(now))
    item_filters.QueueItem.objects.filter(pk=stuck).update(worker_id=2**40)  # of no worker that lives

    page = ann.get(url("queueitem", "status=stuck")).content.decode()
    block = page.split('class="docqueue-presets"')[1].split("</p>")[0]
    links = {
        label: address.replace("&amp;", "&")
        for address, label in re.findall(r'<a href="([^"]*)"[^>]*>([^<]*)</a>', block)
    }

    assert 'aria-current="page">Stuck in progress' in block
    assert {label: ids(ann, address) for label, address in links.items()} == {
        "Failing now": [died],
        "Retrying": [failed.id],
        "Waiting over 1 hour": [waiting],
        "Running": [alive, stuck],
        "Stuck in progress": [stuck],
    }
    item_filters.QueueItem.objects.filter(pk=alive).update(claimed_at=now - timedelta(days=9))
    assert ids(ann, links["Stuck in progress"]) == [alive, stuck], "longer than it may run"


def test_few_items_of_a_queue_or_a_state_are_found_by_index_however_many_others_there_are(
    ann, service, operation, dead, monkeypatch
):
    monkeypatch.setattr(listing, "WINDOW", 2)
    monkeypatch.setattr(listing, "FOUND", 3)
    service.enqueue(None, operation, queue="quiet")
    waiting = service.enqueue(None, operation, queue="quiet", delay_seconds=600).id
    died = dead()
    for _ in range(9):
        service.enqueue(None, operation)
    assert ids(ann, url("queueitem", "queue=quiet")) == [waiting, waiting - 1]
    assert ids(ann, url("queueitem", "wait_reason=delayed")) == [waiting]
    assert ids(ann, url("queueitem", "status=dead")) == [died]
    assert ids(ann, url("queueitem", "status=pending&wait_reason=delayed")) == []
    assert len(ids(ann, url("queueitem", "status=pending&queue=demo"))) == 2, "they are many: the newest are looked at"


def test_an_age_begins_its_walk_at_the_id_and_takes_no_more_queries_for_more_items(ann, service, operation):
    now = datetime.now(UTC)
    for minutes in range(200, 0, -10):
        service.enqueue(None, operation, now=now - timedelta(minutes=minutes))
    last = item_filters.last_enqueued_before("default", now - timedelta(minutes=95))
    assert item_filters.QueueItem.objects.filter(pk__lte=last).count() == 11
    with CaptureQueriesContext(connection) as seen:
        assert len(ids(ann, url("queueitem", "age=1h"))) == 15
    assert len([q for q in seen if "docqueue_item" in q["sql"]]) < 40
    assert item_filters.last_enqueued_before("default", now - timedelta(days=1)) < last - 10
    item_filters.QueueItem.objects.all()._raw_delete("default")
    assert item_filters.last_enqueued_before("default", now) == 0


def test_a_bulk_operation_takes_over_document_age_and_states_together(chief, service, operation):
    now = datetime.now(UTC)
    service.enqueue("d1", operation, now=now - timedelta(hours=3))
    service.enqueue("d1", operation)
    address = f"{reverse('admin:docqueue_queueitem_bulk', args=['cancel'])}?document_id=d1&status=not_started&age=1h"
    page = chief.get(address).content.decode()
    assert "items that are pending or waiting, of document d1, enqueued before" in page
    chief.post(address, {"confirmed": "yes"})
    found = BulkOperation.objects.get()
    assert (found.total, found.filter["status"]) == (1, ["pending", "waiting"])
    assert found.filter["document_id"] == "d1"
    before = datetime.fromisoformat(found.filter["enqueued_before"])
    assert abs(before - (now - timedelta(hours=1))) < timedelta(minutes=1)


@pytest.mark.parametrize("query", ["tenant=acme", "within=1h", "q=d1", "batch_id=3"])
def test_what_is_older_than_so_many_days_is_never_more_than_the_list_shows(chief, service, dead, query):
    dead("d1")
    page = chief.get(url("deaditem", query))
    form = page.context["docqueue_by_age"]
    address = f"{form['url']}?{'&'.join(f'{name}={value}' for name, value in form['kept'])}&older_than_days=1"
    answer = chief.get(address, follow=True)
    assert "A bulk operation can not be narrowed by" in answer.content.decode()


def test_few_old_items_are_found_by_age_whatever_their_ids_are(ann, service, operation):
    now = datetime.now(UTC)
    service.enqueue(None, operation)
    old = service.enqueue(None, operation, now=now - timedelta(hours=2)).id
    service.enqueue(None, operation)
    assert ids(ann, url("queueitem", "age=1h")) == [old]
