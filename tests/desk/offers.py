"""What the admin offers to do, read from its table of addresses and its registered actions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

from docqueue.admin import actions, failures, schedules, staffing
from tests.desk.urltable import APPS, CLOSED, LEFT_OUT, LISTED, routes

READ = (
    *LISTED,
    *(f"{model}<path:object_id>/history/" for model in LISTED),
    *(f"{model}<path:object_id>/change/" for model in LISTED if model != "docqueue/schedule/"),
    *("", "docqueue/overview/", "docqueue/overview/live/", "docqueue/queue/of/", "ingestion/kmcall/diagnostics/"),
    APPS,
)
"""Routes that are only looked at."""

NOTHING = {
    "docqueue/deaditem/<int:item_id>/do/<str:verb>/ run_now": "a dead item waits for nothing",
    "docqueue/deaditem/<int:item_id>/do/<str:verb>/ cancel": "a dead item is discarded",
}
"""What the pattern lets one write and no page shows."""


class _Chief(AnonymousUser):
    """May do everything, so that all actions are offered."""

    is_active = is_staff = True

    def has_perm(self, *_: object, **__: object) -> bool:
        return True


def offered() -> set[str]:
    """Each action by the route or the list it belongs to, and its verb."""
    return {*_of_routes(), *_of_lists()} - set(NOTHING)


def _named(name: str) -> Any:
    """The admin of the model that is called so."""
    [found] = [one for model, one in admin.site._registry.items() if model._meta.model_name == name]
    return found


def _verbs(route: str) -> Iterable[str]:
    match route.split("/"):
        case [_, "queueitem" | "deaditem", _, "do", *_]:
            return actions.VERBS
        case [_, "failuregroup", _, "do", *_]:
            return failures.VERBS
        case [_, "schedule", _, "do", *_]:
            return schedules.VERBS
        case ["ingestion", name, _, "do", *_]:
            return _named(name).verbs  # type: ignore[no-any-return]
        case ["ingestion", _, "reprocess", ""]:
            return ("", "one")  # all that a list shows, and one row from its page
        case [_, "worker", _, "ask", *_]:
            return staffing.WORDS
        case [_, name, "bulk", *_]:
            return _named(name).bulk_actions  # type: ignore[no-any-return]
    raise AssertionError(f"whose verbs are those of {route}?")


def _of_routes() -> Iterator[str]:
    for route in routes():
        if route in READ or CLOSED.get(route, 405) != 405:
            continue
        if "<str:verb>" in route or "<str:action>" in route or route.endswith("/reprocess/"):
            yield from (f"{route} {verb}".strip() for verb in _verbs(route))
        else:
            yield route


def _of_lists() -> Iterator[str]:
    request = RequestFactory().get("/")
    request.user = _Chief()
    for model, one in admin.site._registry.items():
        name = f"{model._meta.app_label}/{model._meta.model_name}/"
        if not name.startswith(tuple(LEFT_OUT)):
            yield from (f"{name} {action}" for action in one.get_actions(request))
