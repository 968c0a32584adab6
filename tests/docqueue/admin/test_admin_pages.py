"""The page of an item, of an attempt, of an audit entry; and that nothing hostile comes alive on any of them."""

import re
from html.parser import HTMLParser

import pytest
from django.urls import reverse

from docqueue.conf import overridden
from docqueue.maintenance import batches, promote
from docqueue.models import Attempt, AuditEntry, Checkpoint, Progress, Queue, QueueItem, Worker
from docqueue.service import NewItem
from docqueue.states import Status
from tests.docqueue.admin.conftest import ALL, VIEWS
from tests.docqueue.helpers import T0

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]
HOSTILE = "\"><script>alert('x')</script><img src=x onerror=alert(1)> {{ 7|add:7 }} {% now 'Y' %} \u202etxt.exe"


def page(client, model, key, **extra):
    answer = client.get(reverse(f"admin:docqueue_{model}_change", args=[key]), follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_page_of_a_dead_item_shows_its_reason_and_its_tracebacks(ann, dead):
    item = dead("d7", message="page 3 is torn")
    shown = page(ann, "deaditem", item)

    assert "Failed for good: page 3 is torn. Requeue it or discard it." in shown
    assert "Traceback: line 1" in shown
    assert f"/do/{'requeue'}/" in shown
    assert "docqueue-badge docqueue-dead" in shown


def test_nothing_on_the_page_can_be_edited_or_saved(ann, service, dead):
    item = dead()
    shown = page(ann, "queueitem", item)
    assert 'name="_save"' not in shown
    assert not re.search(r'name="(status|priority|payload)"', shown)

    answer = ann.post(reverse("admin:docqueue_queueitem_change", args=[item]), {"status": "pending", "_save": "1"})
    assert answer.status_code == 403
    assert service.get_status(item) == Status.DEAD
    assert ann.post(reverse("admin:docqueue_queueitem_delete", args=[item]), {"post": "yes"}).status_code == 403


def test_the_page_of_a_finished_item_shows_its_result(ann, service, operation):
    item = service.mark_in_progress(service.enqueue("d", operation, payload={"colour": "blue"}))
    service.mark_completed(item, result={"pages": 12})
    shown = page(ann, "historyitem", item.id)
    assert "&quot;pages&quot;: 12" in shown
    assert "&quot;colour&quot;: &quot;blue&quot;" in shown


def test_the_page_of_an_item_names_its_parents_its_children_and_its_batch(ann, service, operation):
    parent = service.enqueue(None, operation).id
    batch = service.batch("pages")
    child = batch.enqueue(None, operation, after=[parent], if_parent_fails="run").id
    shown = page(ann, "queueitem", child)
    assert f'after <a href="/admin/docqueue/queueitem/{parent}/change/">#{parent}</a>' in shown
    assert "not yet" in shown
    assert "this one runs all the same" in shown
    assert f'<a href="/admin/docqueue/batch/{batch.id}/change/">#{batch.id}</a>' in shown
    shown = page(ann, "queueitem", parent)
    assert f'before <a href="/admin/docqueue/queueitem/{child}/change/">#{child}</a>' in shown


def test_the_page_of_an_item_names_its_tenant_its_limit_and_its_place_under_a_concurrency_key(ann, service, operation):
    with overridden(LIMITS={"smtp": {"rate": 1}}):
        rules = {"tenant": "acme<", "limit_key": "smtp", "concurrency_key": "km&", "concurrency_limit": 4}
        item = service.enqueue(None, operation, **rules).id
    shown = page(ann, "queueitem", item)
    for text in ("acme&lt;", "smtp", "km&amp;", "at most 4 at once"):
        assert text in shown
    QueueItem.objects.update(slot=2)
    assert "place 2 of 4" in page(ann, "queueitem", item)
    service.cancel(item)
    assert "acme&lt;" in page(ann, "historyitem", item)


def test_the_page_of_an_item_without_rules_says_nothing_of_them(ann, service, operation):
    shown = page(ann, "queueitem", service.enqueue(None, operation).id)
    for name in ("tenant", "limit", "concurrency", "batch"):
        assert f"field-{name}" not in shown


def test_the_page_of_an_item_that_was_cancelled_with_its_parent_says_with_which(ann, service, operation):
    parent = service.enqueue(None, operation).id
    child = service.enqueue(None, operation, after=[parent], if_parent_fails="cancel").id
    service.move_to_dead(service.mark_in_progress(parent), "no")
    promote.run("default")
    told = f"item {parent} ({operation}), which it comes after, is dead"
    assert f"Cancelled: {told}." in page(ann, "historyitem", child)


def test_batches_are_shown_with_what_is_left_of_them_and_how_they_ended(ann, operator, service, operation):
    done = service.batch("done & dusted", on_complete=NewItem(operation=operation, payload={"secret": 1}))
    done.seal()
    service.batch().add([NewItem(operation=operation), NewItem(operation=operation)])
    batches.run("default")
    listed = ann.get(reverse("admin:docqueue_batch_changelist")).content.decode()
    assert "done &amp; dusted" in listed
    assert "open: more may be added" in listed
    assert ">2</a></td>" in listed
    callback = service.batch_status(done).callback_id
    assert f">#{callback}</a>" in listed
    assert "secret" in page(ann, "batch", done.id)
    others = operator("view_queueitem", name="bob")
    assert "secret" not in page(others, "batch", done.id)
    assert operator("view_worker", name="eve").get(reverse("admin:docqueue_batch_changelist")).status_code == 403


def test_an_item_that_moved_on_is_followed_to_where_it_is(ann, service, dead):
    item = dead()
    service.requeue(item)
    answer = ann.get(reverse("admin:docqueue_deaditem_change", args=[item]), follow=True)
    assert answer.redirect_chain[0][0] == reverse("admin:docqueue_queueitem_change", args=[item])
    assert "pending" in answer.content.decode()


def test_an_item_that_never_was_leads_back_to_the_list_with_a_word(ann):
    answer = ann.get(reverse("admin:docqueue_queueitem_change", args=[10**30]), follow=True)
    assert answer.status_code == 200
    assert "doesn’t exist" in answer.content.decode()


def test_progress_of_a_running_item_is_shown(ann, service, operation):
    item = service.mark_in_progress(service.enqueue(None, operation))
    Progress.objects.create(
        item_id=item.id, percent=40, stage="reading", message="page 4 of 10", updated_at="2030-01-01T00:00:00Z"
    )
    shown = page(ann, "queueitem", item.id)
    assert '<progress max="100" value="40" aria-label="Progress">' in shown
    assert "page 4 of 10" in shown


def test_payload_and_metadata_need_their_permission_and_so_do_tracebacks(operator, dead):
    item = dead(payload={"colour": "swordfish"}, metadata={"tenant": "acme"})
    viewer, trusted = operator("view_queueitem", name="bob"), operator(*ALL, name="cid")

    hidden, shown = page(viewer, "queueitem", item), page(trusted, "queueitem", item)

    for secret in ("swordfish", "acme", "Traceback: line 1"):
        assert secret not in hidden
        assert secret in shown
    assert "it broke" in hidden


def test_an_items_page_tells_what_people_did(ann, service, dead):
    item = dead()
    service.requeue(item, by="bob", reason="disk was full")
    shown = page(ann, "queueitem", item)
    assert "bob" in shown
    assert "disk was full" in shown


def test_the_page_of_an_attempt_shows_the_traceback(ann, dead):
    item = dead()
    attempt = Attempt.objects.get(item_id=item)
    shown = page(ann, "attempt", attempt.pk)
    assert "Traceback: line 1" in shown
    assert f">#{item}</a>" in shown


def test_the_page_of_an_audit_entry_shows_the_reason(ann, service, dead):
    service.discard(dead(), by="bob", reason="spam")
    assert "spam" in page(ann, "auditentry", AuditEntry.objects.get().pk)


def test_a_very_long_payload_is_cut(ann, service, operation):
    item = service.enqueue(None, operation, payload={"text": "x" * 100_000}).id
    shown = page(ann, "queueitem", item)
    assert "cut here" in shown
    assert len(shown) < 60_000


@pytest.fixture
def hostile(register, service):
    """Hostile strings wherever a stranger can put one."""
    register("hostile.op", queue=HOSTILE[:64])
    item = service.mark_in_progress(
        service.enqueue(
            HOSTILE, "hostile.op", payload={HOSTILE: HOSTILE}, metadata={"user": HOSTILE}, unique_key=HOSTILE
        )
    )
    service.mark_failed(item, HOSTILE, code=HOSTILE[:100], traceback=HOSTILE, retryable=False)
    finished = service.mark_in_progress(service.enqueue(HOSTILE, "hostile.op", ordering_key=None))
    service.mark_completed(finished, result={HOSTILE: HOSTILE})
    service.enqueue_many([NewItem(operation="hostile.op", document_id=HOSTILE)])
    other = service.enqueue(HOSTILE, "hostile.op")
    service.cancel(other, by=HOSTILE, reason=HOSTILE)
    Queue.objects.create(name=HOSTILE[:60], paused_at="2030-01-01T00:00:00Z", paused_reason=HOSTILE)
    return item.id


class Inspector(HTMLParser):
    """Reads a page as a browser does, and notes what a strict content security policy would refuse."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        names = dict(attrs)
        handlers = [name for name in names if name.startswith("on") or name == "style"]
        if handlers or tag == "style" or (tag == "script" and "src" not in names) or names.get("src") == "x":
            self.found.append((tag, attrs))
        self.found += [(tag, url) for url in names.values() if (url or "").strip().lower().startswith("javascript:")]


def inert(text):
    inspector = Inspector()
    inspector.feed(text)
    assert not inspector.found
    assert "49" not in re.findall(r"onerror=alert\(1\)&gt; (\S+)", text), "a template was rendered"


@pytest.mark.parametrize("model", ["queueitem", "deaditem", "historyitem", "attempt", "worker", "queue", "auditentry"])
def test_hostile_strings_are_inert_in_every_list_and_nothing_is_inline(ann, hostile, model):
    for query in ("", f"?q={HOSTILE}", f"?queue={HOSTILE[:64]}&operation={HOSTILE}"):
        answer = ann.get(reverse(f"admin:docqueue_{model}_changelist") + query, follow=True)
        assert answer.status_code == 200
        inert(answer.content.decode())


def test_hostile_strings_are_inert_on_every_page_and_question(ann, hostile, service):
    finished = service.get_item(hostile).id
    inert(page(ann, "deaditem", hostile))
    inert(page(ann, "queueitem", finished))
    inert(page(ann, "attempt", Attempt.objects.latest("id").pk))
    inert(page(ann, "auditentry", AuditEntry.objects.latest("id").pk))
    for item in ann.get(reverse("admin:docqueue_historyitem_changelist")).context["cl"].result_list:
        inert(page(ann, "historyitem", item.pk))
    asked = ann.post(reverse("admin:docqueue_deaditem_do", args=[hostile, "discard"]), {"reason": HOSTILE})
    inert(asked.content.decode())
    told = ann.post(
        reverse("admin:docqueue_deaditem_do", args=[hostile, "discard"]),
        {"reason": HOSTILE, "confirmed": "yes"},
        follow=True,
    )
    inert(told.content.decode())
    inert(ann.get(reverse("admin:index")).content.decode())


def test_without_any_permission_the_pages_stay_closed(operator, dead):
    item = dead()
    assert not QueueItem.objects.none().exists()
    nobody = operator(name="bob")
    for model in ("queueitem", "deaditem"):
        assert nobody.get(reverse(f"admin:docqueue_{model}_change", args=[item])).status_code == 403
    assert set(VIEWS) < set(ALL)


def test_the_page_shows_the_steps_that_are_done_and_offers_to_begin_at_the_first_again(ann, operator, service, dead):
    item = dead()
    Checkpoint.objects.create(item_id=item, name="ocr <b>", result={"text": "x" * 500}, created_at=T0)
    shown = page(ann, "deaditem", item)
    assert "ocr &lt;b&gt;" in shown
    assert "xxx" in shown
    assert "x" * 400 not in shown
    assert "/do/requeue_afresh/" in shown
    url = reverse("admin:docqueue_deaditem_do", args=[item, "requeue_afresh"])
    assert "forget the steps" in ann.post(url).content.decode()
    ann.post(url, {"confirmed": "1", "reason": "new model"})
    assert service.get_status(item) == Status.PENDING
    assert not Checkpoint.objects.exists()


def test_without_steps_there_is_nothing_to_begin_again(ann, dead):
    assert "requeue_afresh" not in page(ann, "deaditem", dead())


def test_the_page_of_a_worker_shows_what_each_of_its_processes_is_at(ann, service, operation):
    item = service.mark_in_progress(service.enqueue("d", operation))
    slot = {"pid": 4711, "rss_mb": 57, "item_id": item.id, "operation": HOSTILE, "since": "2026-01-01T00:00:00+00:00"}
    worker = Worker.objects.get()
    worker.info = {
        "processes": 2,
        "slots": [slot | {"stalled": True}, {"pid": 4712, "rss_mb": 31, "database": "read-only"}, "odd", {}],
    }
    worker.save()
    shown = page(ann, "worker", worker.pk)
    assert "pid 4711, 57 MiB, CPU 0 %, connection closed" in shown
    assert "stalled" in shown
    assert 'started <time datetime="2026-01-01T00:00:00+00:00" title="2026-01-01 00:00:00 UTC">' in shown
    assert f'#{item.id}</a> admin.demo: <span class="docqueue-text">Running: attempt 1 of 5.</span>' in shown
    assert "pid 4712, 31 MiB, CPU 0 %, connection read-only: idle" in shown
    assert "<script>alert" not in shown


def test_the_page_of_an_item_in_line_names_the_one_that_comes_first(ann, service, operation):
    first, second = (service.enqueue("p", operation, ordering_key="p").id for _ in range(2))
    assert f"item {first} (pending) of &#x27;p&#x27; comes first" in page(ann, "queueitem", second)


def test_an_error_that_turns_the_text_around_does_not_turn_our_sentence_around(ann, dead):
    item = dead(message="gnp.\u202etxt.exe")
    for shown in (
        page(ann, "deaditem", item),
        ann.get(reverse("admin:docqueue_queueitem_changelist")).content.decode(),
    ):
        assert "Failed for good: gnp.\\u202etxt.exe. Requeue it or discard it." in shown
