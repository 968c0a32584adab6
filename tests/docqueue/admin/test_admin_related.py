"""What the page of an item says of others that have to do with it."""

import re

import pytest

from docqueue.maintenance import promote
from tests.docqueue.admin.test_admin_pages import page

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]


def related(shown):
    """The table of related items: the cells of each row."""
    table = shown.split('id="docqueue-related"')[1].split("</table>")[0]
    rows = (re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in table.split("<tr>")[2:])
    return [[" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in row] for row in rows]


def test_the_page_of_an_item_lists_others_of_its_document_key_and_batch_and_what_it_waits_for(ann, service, operation):
    done = service.mark_in_progress(service.enqueue("d1", operation, unique_key="u", unique_for="claimed"))
    service.mark_completed(done)
    batch = service.batch("pages")
    first = batch.enqueue("d1", operation, unique_key="u", unique_for="claimed").id
    second = batch.enqueue("d1", operation).id
    keyed = service.enqueue("d2", operation, ordering_key="shelf").id
    behind = service.enqueue("d3", operation, ordering_key="shelf").id
    promote.run("default")

    def name(item):
        return f"{operation} #{item}"

    rows = related(page(ann, "queueitem", second))
    assert rows[0][:3] == ["It waits for", name(first), "pending"]
    assert rows[0][3].startswith("Waiting for a worker. No worker serves queue demo")
    assert [row[:3] for row in rows[1:]] == [
        ["Same document ( list )", name(first), "pending"],
        ["", name(done.id), "completed"],
        ["Same batch ( list )", name(first), "pending"],
    ]
    assert rows[2][3] == "Completed."
    assert ["Same unique key", name(done.id)] in [row[:2] for row in related(page(ann, "queueitem", first))]
    assert ["Same ordering key, in line", name(behind)] in [row[:2] for row in related(page(ann, "queueitem", keyed))]
    shown = page(ann, "historyitem", done.id)
    assert 'href="/admin/docqueue/historyitem/?document_id=d1">list</a>' in shown
    assert "docqueue-related" not in page(ann, "queueitem", service.enqueue(None, operation).id)
