"""The page of limits and circuit breakers: what each allows now, in numbers and words."""

from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.urls import reverse

from docqueue import store
from docqueue.conf import overridden
from docqueue.models import Limit

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]
LIST = "/admin/docqueue/limit/"
FIGURES = {"failures_to_open": 5, "open_seconds": 30.0}


def shown(client, query=""):
    """The rows of a page: by key, what its cells say."""
    answer = client.get(LIST + query, follow=True)
    assert answer.status_code == 200
    rows = answer.context["cl"].result_list
    options = admin.site._registry[Limit]
    return {
        row.key: {name: str(getattr(options, name)(row)) for name in ("starts", "tokens_now", "breaker")}
        for row in rows
    }


@pytest.fixture
def now():
    return store.clock("default")


def test_limits_are_shown_with_what_they_allow_and_their_breakers_in_words(ann, service, operation, now):
    ago = [now - timedelta(seconds=seconds) for seconds in range(100)]
    Limit.objects.create(key="ftp", rate=10, burst=20, tokens=5, refilled_at=ago[90])
    Limit.objects.create(key="km", failures=2, **FIGURES)
    Limit.objects.create(key="mail", failures=5, opened_at=ago[12], **FIGURES)
    Limit.objects.create(key="over", failures=5, opened_at=ago[40], **FIGURES)
    with overridden(LIMITS={"*": {"failures": 5}}):
        probe = service.mark_in_progress(_limited(service, operation, "smtp"))
    Limit.objects.update_or_create(key="smtp", defaults={"opened_at": ago[50], "probe_at": probe.claimed_at, **FIGURES})

    found = shown(ann)

    assert list(found) == ["ftp", "km", "mail", "over", "smtp"]
    assert found["ftp"] == {"starts": "10 a second", "tokens_now": "20.0", "breaker": "–"}
    assert (found["km"]["starts"], "closed" in found["km"]["breaker"]) == ("–", True)
    assert ">open</span> for 12 s; one item tries again in 18 s" in found["mail"]["breaker"]
    assert ">half-open</span> for 40 s; the next item tries now" in found["over"]["breaker"]
    assert f"item {probe.id} is trying now" in found["smtp"]["breaker"]
    assert list(shown(ann, "?breaker=open")) == ["mail", "over", "smtp"]


def _limited(service, operation, key):
    """An item under this limit that is pending, as if it had been handed back as a suspect."""
    from docqueue.models import QueueItem

    item = service.enqueue(None, operation, limit_key=key).id
    QueueItem.objects.filter(pk=item).update(status="pending", wait_reason=None, position=1)
    return item


def test_the_page_of_a_limit_has_its_figures_and_changes_nothing(ann, service, operation, now):
    Limit.objects.create(key="a/b <i>", failures=5, opened_at=now, **FIGURES)
    url = reverse("admin:docqueue_limit_change", args=[quote("a/b <i>")])
    page = ann.get(url).content.decode()
    assert "a/b &lt;i&gt;" in page
    assert "one item tries again in" in page
    assert 'name="_save"' not in page
    assert ann.post(url, {"key": "other"}).status_code == 403
    with overridden(LIMITS={"*": {"failures": 5}}):
        item = service.enqueue(None, operation, limit_key="a/b <i>").id
    page = ann.get(reverse("admin:docqueue_queueitem_change", args=[item])).content.decode()
    assert f'<a href="{url}" class="docqueue-text">a/b &lt;i&gt;</a>' in page


def test_pages_of_limits_follow_each_other_in_the_order_of_their_keys(ann, monkeypatch):
    monkeypatch.setattr(admin.site._registry[Limit], "list_per_page", 2)
    keys = ["a", "b", "ü" * 200, "x'y", "tenant:7"]
    Limit.objects.bulk_create(Limit(key=key) for key in keys)
    seen, query = [], ""
    while query is not None:
        answer = ann.get(LIST + query)
        seen += [row.key for row in answer.context["cl"].result_list]
        query = answer.context["cl"].next_link
    assert seen == list(Limit.objects.order_by("key").values_list("key", flat=True))
    assert list(shown(ann, "?q=ten")) == ["tenant:7"]
    assert shown(ann, "?q=enant") == {}


@pytest.mark.parametrize("page", ["0", "-5", "x", "2", "9" * 60, str(0x01FF), str(0x0100)])
def test_a_page_that_can_not_be_is_no_error(ann, page):
    assert ann.get(f"{LIST}?p={page}", follow=True).status_code == 200


def test_whoever_may_see_items_may_see_limits_and_nobody_else(operator):
    assert operator("view_queueitem", name="bob").get(LIST).status_code == 200
    assert operator("view_worker", name="eve").get(LIST).status_code == 403


def test_without_any_the_page_says_where_they_come_from(ann):
    assert "The setting LIMITS has them" in ann.get(LIST).content.decode()
