"""Narrowed lists: a page looks at a bounded number of rows, says so where more may fit, and goes on from there."""

import pytest
from django.urls import reverse

from docqueue import listing
from docqueue.admin import batches
from docqueue.models import HistoryItem, QueueItem

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]


def url(model, view="changelist", *args):
    return reverse(f"admin:docqueue_{model}_{view}", args=args)


def ids(response):
    """The ids of the rows of a list, in order."""
    return [row.pk for row in response.context["cl"].result_list]


@pytest.fixture
def short_look(monkeypatch):
    """A page looks at three rows, and finds two at once."""
    monkeypatch.setattr(listing, "WINDOW", 3)
    monkeypatch.setattr(listing, "FOUND", 2)


def walked(client, path):
    """The ids that pages show one after the other, the pages, and how many of them said that there is more."""
    found, told, address = [], 0, path
    while True:
        answer = client.get(address)
        assert answer.status_code == 200
        found += ids(answer)
        told += b"Look further back" in answer.content
        following = answer.context["cl"].next_link
        if following is None:
            return found, told
        address = f"{path.partition('?')[0]}{following}"


def test_a_filter_without_an_index_looks_at_so_many_rows_and_goes_on_from_there(ann, service, register, short_look):
    register("few.demo")
    register("many.demo")
    wanted = [service.enqueue("d", "few.demo").id for _ in range(2)]
    for n in range(7):
        service.enqueue(f"o{n}", "many.demo", ordering_key=None)
    wanted.append(service.enqueue("d", "few.demo").id)
    first = ann.get(f"{url('queueitem')}?operation=few.demo")
    assert ids(first) == wanted[2:]  # of the newest three
    assert "So far 3 rows were looked at" in first.content.decode()
    assert walked(ann, f"{url('queueitem')}?operation=few.demo") == (wanted[::-1], 3)
    assert walked(ann, f"{url('queueitem')}?q=few.demo") == (wanted[::-1], 3)
    none = ann.get(f"{url('queueitem')}?operation=none.demo").content.decode()
    assert "Look further back" in none
    assert "Nothing matches" not in none


def test_a_list_that_is_not_narrowed_says_nothing_of_how_far_it_looked(ann, service, operation, short_look):
    for n in range(5):
        service.enqueue(str(n), operation)
    assert walked(ann, url("queueitem"))[1] == 0


@pytest.mark.parametrize("narrowed", ["queue=few", "status=dead", "status=in_progress", "queue=few&status=dead"])
def test_few_live_items_of_a_queue_or_a_state_are_found_wherever_they_are(ann, service, register, short_look, narrowed):
    register("few.demo", queue="few")
    register("many.demo", queue="many")
    dead = service.mark_in_progress(service.enqueue("d", "few.demo"))
    service.mark_failed(dead, "it broke", retryable=False)
    running = service.mark_in_progress(service.enqueue("r", "few.demo")).id
    for n in range(7):
        service.enqueue(f"o{n}", "many.demo", ordering_key=None)
    expected = {"queue=few": [running, dead.id], "status=in_progress": [running]}.get(narrowed, [dead.id])
    assert walked(ann, f"{url('queueitem')}?{narrowed}") == (expected, 0)


@pytest.mark.parametrize("status", ["pending", "in_progress", "waiting", "dead"])
def test_each_state_of_a_queue_with_more_than_few_is_walked_to_its_end(ann, service, register, short_look, status):
    register("some.demo", queue="some")
    wanted = []
    for n in range(5):
        delay = {"delay_seconds": 600} if status == "waiting" else {}
        wanted.append(service.enqueue(str(n), "some.demo", ordering_key=None, **delay).id)
        if status in ("in_progress", "dead"):
            claim = service.mark_in_progress(wanted[-1])
            if status == "dead":
                service.mark_failed(claim, "it broke", retryable=False)
    for narrowed in ("queue=some", f"status={status}", f"queue=some&status={status}"):
        assert walked(ann, f"{url('queueitem')}?{narrowed}")[0] == wanted[::-1]


@pytest.mark.parametrize("size", [2, 5])
def test_a_batch_shows_all_of_its_items_however_large_it_is(ann, service, operation, short_look, size):
    with service.batch("b") as batch:
        made = [batch.enqueue(str(n), operation, ordering_key=None) for n in range(size)]
    for n in range(4):
        service.enqueue(f"o{n}", operation, ordering_key=None)
    found = [one.pk for one in QueueItem.objects.filter(batch_id=batch.id).order_by("-id")]
    assert len(found) == len(made)
    assert walked(ann, f"{url('queueitem')}?batch_id={batch.id}")[0] == found
    for pk in found:
        service.mark_completed(service.mark_in_progress(pk))
    expected = [one.pk for one in HistoryItem.objects.filter(batch_id=batch.id).order_by("-finished_at", "-id")]
    assert walked(ann, f"{url('historyitem')}?batch_id={batch.id}")[0] == expected


def test_the_audit_is_searched_by_a_persons_name_and_by_an_items_number(ann, service, operation):
    of_item = service.enqueue("d", operation).id
    service.cancel(of_item, by="bob")
    other = service.enqueue("e", operation).id
    service.cancel(other, by="4711")
    by_name, by_number = (ann.get(f"{url('auditentry')}?q={q}") for q in ("bob", "4711"))
    assert [row.item_id for row in by_name.context["cl"].result_list] == [of_item]
    assert [row.item_id for row in by_number.context["cl"].result_list] == [other]  # no item has that number
    by_item = ann.get(f"{url('auditentry')}?q=%23{of_item}")
    assert [row.item_id for row in by_item.context["cl"].result_list] == [of_item]


def test_more_items_of_a_batch_than_are_counted_are_told_as_so_many_at_least(ann, service, operation, monkeypatch):
    monkeypatch.setattr(batches, "COUNTED", 3)
    monkeypatch.setattr(batches, "COUNTED_IN_LIST", 2)
    with service.batch("small") as small, service.batch("large") as large:
        small.enqueue("d", operation)
        for n in range(4):
            large.enqueue(str(n), operation, ordering_key=None)
    listed = ann.get(url("batch")).content.decode()
    assert ">≥ 2</a>" in listed
    assert ">1</a>" in listed
    assert ">≥ 3</a>" in ann.get(url("batch", "change", large.id)).content.decode()


def test_the_page_of_a_bulk_operation_has_its_own_audit_only(operator, service, operation):
    ann = operator("view_queueitem", "view_bulkoperation", "view_auditentry", "cancel_item")
    service.enqueue("d", operation)
    first = service.bulk("cancel", everything=True, by="bob", reason="the first")
    service.bulk("cancel", everything=True, by="eve", reason="the second")
    page = ann.get(url("bulkoperation", "change", first.pk))
    assert [entry.reason for entry in page.context["audit"]] == ["the first"]
