"""ROUTES: by operation, the queue and priority of items whose caller names none."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks

from docqueue import conf, handlers, routing
from docqueue.conf import overridden
from docqueue.exceptions import ConfigurationError
from docqueue.service import DocumentQueueService, NewItem
from tests.docqueue.helpers import OPERATION, T0, row

pytestmark = pytest.mark.django_db


def where(item_id: int) -> tuple[str, int]:
    found = row(item_id)
    assert found is not None
    return found["queue"], found["priority"]


@pytest.mark.parametrize("bulk", [False, True], ids=["enqueue", "enqueue_many"])
@pytest.mark.parametrize(
    ("routes", "caller", "expected"),
    [
        ({}, {}, ("of the handler", 0)),
        ({"routed.*": {"queue": "of the route", "priority": 7}}, {}, ("of the route", 7)),
        ({"routed.*": {"queue": "of the route", "priority": 7}}, {"queue": "mine"}, ("mine", 7)),
        ({"routed.*": {"queue": "of the route", "priority": 7}}, {"priority": -3}, ("of the route", -3)),
        ({"routed.*": {"queue": "of the route", "priority": 7}}, {"priority": 0}, ("of the route", 0)),
        ({"routed.*": {"queue": "of the route", "priority": 7}}, {"priority": "high", "queue": "mine"}, ("mine", 50)),
        ({"routed.*": {"priority": 7}}, {}, ("of the handler", 7)),
        ({"routed.*": {"queue": "of the route"}}, {}, ("of the route", 0)),
        ({"routed.*": {"queue": None, "priority": None}}, {}, ("of the handler", 0)),
        ({"other.*": {"queue": "of the route"}}, {}, ("of the handler", 0)),
    ],
)
def test_the_caller_goes_before_the_route_and_the_route_before_the_handler(
    service: DocumentQueueService, register: Any, routes: Any, caller: Any, expected: tuple[str, int], bulk: bool
) -> None:
    register("routed.one", queue="of the handler")
    with overridden(ROUTES=routes):
        if bulk:
            [item_id] = service.enqueue_many([NewItem(operation="routed.one", **caller)], now=T0)
        else:
            item_id = service.enqueue(None, "routed.one", now=T0, **caller).id
    assert where(item_id) == expected


def test_where_nobody_says_anything_it_is_the_default_queue(service: DocumentQueueService) -> None:
    with overridden(ROUTES={"no.such": {"queue": "q"}}, DEFAULT_QUEUE="of the settings"):
        assert where(service.enqueue(None, OPERATION, now=T0).id) == ("of the settings", 0)


def test_an_items_default_operation_is_routed_too(service: DocumentQueueService) -> None:
    with overridden(ROUTES={OPERATION: {"queue": "q"}}, DEFAULT_OPERATION=OPERATION):
        assert where(service.enqueue(None, now=T0).id) == ("q", 0)


@pytest.mark.parametrize(
    ("name", "queue"),
    [
        ("pdf.render", "exact"),  # though a pattern that fits stands before it
        ("pdf.split", "first"),
        ("image.scale", "images"),
        ("image.b", "letters"),
        ("mail.send", "rest"),
        ("PDF.split", "rest"),  # operations are told apart by case, too
    ],
)
def test_the_exact_name_goes_first_and_then_the_first_pattern_that_fits(name: str, queue: str) -> None:
    table = {
        "pdf.*": {"queue": "first"},
        "pdf.s*": {"queue": "never"},
        "pdf.render": {"queue": "exact"},
        "image.[abc]": {"queue": "letters"},
        "image.*": {"queue": "images"},
        "*": {"queue": "rest"},
    }
    assert routing.find(table, name) == {"queue": queue}
    assert routing.find({}, name) == {}


def test_a_route_is_taken_as_a_whole_and_not_filled_up_from_the_next_one() -> None:
    assert routing.find({"a.*": {"priority": 5}, "*": {"queue": "q"}}, "a.b") == {"priority": 5}


@pytest.mark.parametrize(
    ("routes", "named"),
    [
        ({"a.*": {"queu": "q"}}, "['a.*'] has no 'queu': only queue, priority. Did you mean 'queue'?"),
        ({"a.*": {"queue": 5}}, "['a.*']['queue'] must be str, not int."),
        ({"a.*": {"queue": ""}}, "['a.*']['queue']: a queue's name is a string of 1 to 64 characters."),
        ({"a.*": {"queue": "q" * 65}}, "['a.*']['queue']: a queue's name is a string of 1 to 64 characters."),
        ({"a.*": {"priority": "high"}}, "['a.*']['priority'] must be int, not str."),
        ({"a.*": {"priority": True}}, "['a.*']['priority'] must be int, not bool."),
        ({"a.*": {"priority": 101}}, "['a.*']['priority'] must be a whole number from -100 to 100."),
        ({"a.*": "q"}, "['a.*'] must be a dict, under a name."),
        ({"": {"queue": "q"}}, "[''] must be a dict, under a name."),
        ({5: {"queue": "q"}}, "[5] must be a dict, under a name."),
    ],
)
def test_a_wrong_route_is_named(routes: Any, named: str, settings: Any) -> None:
    [problem] = conf.problems({"ROUTES": routes})
    assert problem == "DOCQUEUE['ROUTES']" + named
    settings.DOCQUEUE = {"ROUTES": routes}
    assert [m.msg for m in run_checks(tags=["docqueue"]) if m.id == "docqueue.E002"] == [problem]
    with pytest.raises(ConfigurationError):
        conf.get_settings()


def test_a_table_that_is_no_dict_is_named() -> None:
    assert conf.problems({"ROUTES": []}) == ["DOCQUEUE['ROUTES'] must be dict, not list."]


def test_of_several_wrong_routes_each_is_named() -> None:
    assert len(conf.problems({"ROUTES": {"a": {"x": 1, "queue": 2}, "b": {"priority": "low"}}})) == 3


def test_what_limits_leave_open_by_none_is_no_problem() -> None:
    assert conf.problems({"LIMITS": {"k": {"rate": 5, "failures": None}}}) == []


def test_a_worker_knows_in_which_queues_the_routed_threads_are(register: Any) -> None:
    register("routed.io", queue="before", isolation="thread")
    with overridden(ROUTES={"routed.io": {"queue": "routed"}}):
        found = handlers.isolations()
    assert found["routed"] == {"thread"}
    assert "thread" not in found.get("before", set())
