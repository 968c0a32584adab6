"""The admin's own table of addresses, and the answer of each that is no screen. What stands in neither is a failure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin

LEFT_OUT = {
    "auth/": "Django's own pages of users and groups: Django tests them",
    "authtoken/": "the REST framework's own pages of tokens",
    "autocomplete/": "answers scripts of Django's select fields, which no page of ours has",
    "jsi18n/": "a script of Django's date fields, which no page of ours has",
    "r/": "leads to an object's page on the site; no model of ours has one (`get_absolute_url`)",
    "password_change/": "Django's own form for one's password: Django tests it",
    "(?P<url>.*)$": "what no other pattern matches: `test_an_address_that_is_none_says_so`",
}
"""Beginnings of routes that the walk leaves out, and why."""

MODELS = {
    "docqueue": (
        *("attempt", "auditentry", "batch", "bulkoperation", "deaditem", "failuregroup", "historyitem", "limit"),
        *("queue", "queueitem", "schedule", "worker"),
    ),
    "ingestion": ("document", "ingestfile", "intake", "kmcall"),
    "ingestion_resumable": ("uploadsession",),
}
LISTED = tuple(f"{app}/{model}/" for app, models in MODELS.items() for model in models)
"""Every model with a list and a page of each row. The overview has one page and its fragment."""

ADDED = ("docqueue/schedule/",)
DELETED = ("docqueue/schedule/",)

CLOSED: dict[str, int] = {
    **{f"{model}add/": 403 for model in LISTED if model not in ADDED},
    **{f"{model}<path:object_id>/delete/": 403 for model in LISTED if model not in DELETED},
    # Django's address of a row in times past
    **{f"{model}<path:object_id>/": 302 for model in LISTED},
    "docqueue/schedule/<int:pk>/do/<str:verb>/": 405,  # done by its form's buttons alone
}
"""What answers a GET so by design."""


def walk(patterns: Iterable[Any], before: str = "") -> Iterator[str]:
    """The whole routes below these patterns."""
    for one in patterns:
        route = before + str(one.pattern)
        if hasattr(one, "url_patterns"):
            yield from walk(one.url_patterns, route)
        else:
            yield route


APPS = "<app_label>/"
"""The pages of the apps: Django's pattern names them one by one."""


def routes() -> list[str]:
    """Every route of the admin that the walk is about."""
    found = (APPS if route.startswith("^(?P<app_label>") else route for route in walk(admin.site.urls[0]))
    return [route for route in found if not route.startswith(tuple(LEFT_OUT))]


def filled(route: str, *values: Any) -> str:
    """The address that a route is with these values."""
    parts = route.split("<")
    given = [str(value) for value in values]
    assert len(given) == len(parts) - 1, f"{route} takes {len(parts) - 1} values"
    rest = [f"{value}{part.partition('>')[2]}" for value, part in zip(given, parts[1:], strict=True)]
    return "/admin/" + parts[0] + "".join(rest)
