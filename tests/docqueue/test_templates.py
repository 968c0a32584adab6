"""Templates: an operation with arguments of enqueue, under a name in the settings."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import transaction

from docqueue import conf, routing
from docqueue.conf import overridden
from docqueue.exceptions import DuplicateKey, UnknownTemplate
from docqueue.producing import Producing
from docqueue.service import DocumentQueueService
from tests.docqueue.helpers import OPERATION, T0, row, rows

pytestmark = pytest.mark.django_db

NIGHTLY = {
    "operation": OPERATION,
    "priority": -20,
    "queue": "night",
    "payload": {"pages": "all", "dpi": 300},
    "metadata": {"source": "schedule"},
    "max_attempts": 2,
    "ordering_key": None,
}


@pytest.fixture(autouse=True)
def templates(settings: Any) -> None:
    settings.DOCQUEUE = {"TEMPLATES": {"nightly": NIGHTLY, "weekly": {"operation": OPERATION}}}


def made(item_id: int) -> dict[str, Any]:
    found = row(item_id)
    assert found is not None
    return found


def test_a_template_says_what_enqueue_is_not_told(service: DocumentQueueService) -> None:
    item = made(service.enqueue_template("nightly", 7, now=T0).id)
    assert (item["document_id"], item["ordering_key"], item["operation"]) == ("7", None, OPERATION)
    assert (item["priority"], item["queue"], item["max_attempts"]) == (-20, "night", 2)
    item = made(service.enqueue_template("weekly", 7, now=T0).id)
    assert (item["ordering_key"], item["queue"], item["priority"]) == ("7", "default", 0)


def test_what_the_caller_says_goes_before_the_template(service: DocumentQueueService) -> None:
    item = made(service.enqueue_template("nightly", priority="high", queue="day", ordering_key="k", now=T0).id)
    assert (item["priority"], item["queue"], item["ordering_key"], item["max_attempts"]) == (50, "day", "k", 2)


def test_of_payload_and_metadata_each_key_goes_for_itself_and_the_template_stays_as_it_is(
    service: DocumentQueueService,
) -> None:
    changes = {"payload": {"dpi": 72, "lang": "de"}, "metadata": {"user": "me"}}
    service.enqueue_template("nightly", **changes, now=T0)
    service.enqueue_template("nightly", payload=None, now=T0)
    found = rows("select payload::text, metadata::text from docqueue_item order by id")
    assert found[0]["payload"] == '{"dpi": 72, "lang": "de", "pages": "all"}'
    assert found[0]["metadata"] == '{"user": "me", "source": "schedule"}'
    assert found[1]["payload"] == '{"dpi": 300, "pages": "all"}'


def test_a_template_goes_before_the_routes(service: DocumentQueueService) -> None:
    with overridden(ROUTES={OPERATION: {"queue": "routed", "priority": 9}}):
        item = made(service.enqueue_template("nightly", now=T0).id)
        assert (item["queue"], item["priority"]) == ("night", -20)
        item = made(service.enqueue_template("weekly", now=T0).id)
        assert (item["queue"], item["priority"]) == ("routed", 9)


def test_it_is_part_of_the_callers_transaction_and_of_all_that_enqueue_does(service: DocumentQueueService) -> None:
    with transaction.atomic():
        service.enqueue_template("weekly", now=T0)
        transaction.set_rollback(True)
    assert rows("select 1 from docqueue_item") == []
    first = service.enqueue_template("weekly", unique_key="u", now=T0)
    assert service.enqueue_template("weekly", unique_key="u", now=T0).id == first.id
    with pytest.raises(DuplicateKey):
        service.enqueue_template("weekly", unique_key="u", on_conflict="refuse", now=T0)


def test_an_unknown_template_is_named_with_the_nearest_and_nothing_is_written(service: DocumentQueueService) -> None:
    with pytest.raises(UnknownTemplate, match=r"no template 'nihgtly'\. Did you mean 'nightly'\?") as caught:
        service.enqueue_template("nihgtly")
    assert caught.value.code == "unknown_template"
    assert "DOCQUEUE['TEMPLATES']" in caught.value.hint
    with pytest.raises(UnknownTemplate, match=r"no template 'xyz'\.$"):
        service.enqueue_template("xyz")
    assert rows("select 1 from docqueue_item") == []


def test_an_argument_that_enqueue_does_not_have_is_refused_as_by_enqueue(service: DocumentQueueService) -> None:
    with pytest.raises(TypeError, match="priorty"):
        service.enqueue_template("nightly", priorty=5)


def test_a_template_may_say_all_that_enqueue_takes_for_one_item() -> None:
    arguments = set(inspect.signature(Producing.enqueue).parameters)
    assert arguments - {"self", "document_id", "using", "now"} == set(routing.TEMPLATE)


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ({"operation": OPERATION, "priorty": 5}, "['t'] has no 'priorty': only operation, priority,"),
        ({"operation": OPERATION, "document_id": 5}, "['t'] has no 'document_id'"),
        ({"operation": OPERATION, "payload": []}, "['t']['payload'] must be dict, not list."),
        ({"operation": OPERATION, "max_attempts": "2"}, "['t']['max_attempts'] must be int, not str."),
        ({"priority": 5}, "['t'] names no operation."),
        ({"operation": ""}, "['t'] names no operation."),
        ("nightly", "['t'] must be a dict, under a name."),
    ],
)
def test_a_wrong_template_is_named(template: Any, named: str) -> None:
    [problem] = conf.problems({"TEMPLATES": {"t": template}})
    assert problem.startswith("DOCQUEUE['TEMPLATES']" + named)


def messages(settings: Any, **said: Any) -> list[str]:
    settings.DOCQUEUE = said
    return [m.msg for m in run_checks(tags=["docqueue"]) if m.id == "docqueue.E004"]


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ({"operation": "test.nop"}, "No handler is registered for the operation 'test.nop'. Did you mean"),
        ({"operation": OPERATION, "priority": 101}, "priority must be"),
        ({"operation": OPERATION, "unique_for": "ever"}, "unique_for and on_conflict say something of a unique_key"),
        ({"operation": OPERATION, "limit_key": "nowhere"}, "LIMITS has nothing under 'nowhere'"),
        ({"operation": OPERATION, "if_parent_fails": "weep"}, "if_parent_fails must be one of"),
    ],
)
def test_a_check_names_what_enqueue_would_refuse(template: Any, named: str, settings: Any) -> None:
    [message] = messages(settings, TEMPLATES={"fine": {"operation": OPERATION}, "t": template})
    assert message.startswith("DOCQUEUE['TEMPLATES']['t']: ")
    assert named in message


def test_a_payload_that_the_caller_has_yet_to_fill_is_no_problem_and_wrong_settings_hide_it(
    settings: Any, register: Any
) -> None:
    register("templates.typed", payload=lambda page, dpi: None)
    assert messages(settings, TEMPLATES={"t": {"operation": "templates.typed", "payload": {"dpi": 300}}}) == []
    assert messages(settings, TEMPLATES={"t": {"operation": "no.such"}}, PROCESES=1) == []
