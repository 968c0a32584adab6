"""Every page of the URL table that is not of the API, and every action that a list of the admin has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver

from docqueue.admin import actions, failures, schedules, staffing

APPS = ("docqueue", "ingestion", "ingestion_resumable")
OURS = tuple(f"admin:{app}{end}" for app in APPS for end in "_/")
DJANGOS_OWN = tuple(f"admin:{app}{end}" for app in ("auth", "authtoken") for end in "_/")
"""Users, groups and tokens: pages of Django's and of the REST framework's, with permissions of their own."""
VERBS = {
    "docqueue_queueitem_do": actions.VERBS,
    "docqueue_deaditem_do": actions.VERBS,
    "docqueue_failuregroup_do": failures.VERBS,
    "docqueue_schedule_do": schedules.VERBS,
    "docqueue_worker_ask": staffing.WORDS,
}
"""What stands for the verb in an address, where no table of its admin has it. One without either fails."""


class Address(NamedTuple):
    """A page, or one action of a list: then `kind` is "action". `verb` is empty where the address has none."""

    name: str
    verb: str = ""
    kind: str = "page"

    def __str__(self) -> str:
        return " ".join(filter(None, (self.name, self.verb, self.kind.removeprefix("page"))))


def pages() -> Iterator[tuple[str, URLPattern]]:
    """Name and pattern of every page."""
    yield from _walk(get_resolver("config.urls"), "", "")


def _walk(resolver: URLResolver, prefix: str, space: str) -> Iterator[tuple[str, URLPattern]]:
    for one in resolver.url_patterns:
        path = prefix + str(one.pattern)
        if path.startswith("api/v1/"):
            continue  # tests/test_api_permissions.py
        if isinstance(one, URLResolver):
            yield from _walk(one, path, one.namespace or space)
        else:
            name = one.name or path.removeprefix("admin/")
            yield (f"{space}:{name}" if space else name), one


def of_the_admin() -> list[Address]:
    """Every page and action of the admin that is about something of ours."""
    found = []
    for full_name, pattern in pages():
        name = full_name.removeprefix("admin:")
        if not full_name.startswith(OURS):
            continue
        wanted = set(pattern.pattern.converters) & {"verb", "action"}
        if wanted == {"action"}:
            found += [Address(name, verb) for verb in _admin_of(name).bulk_actions]
        elif wanted:
            found += [Address(name, verb) for verb in VERBS.get(name) or _admin_of(name).verbs]
        else:
            found.append(Address(name))
    return sorted({*found, *_list_actions()})


def _admin_of(name: str) -> Any:
    return next(one for one in _admins() if name.startswith(f"{one.opts.app_label}_{one.opts.model_name}_"))


def _admins() -> list[Any]:
    return [one for one in admin.site._registry.values() if one.opts.app_label in APPS]


def _list_actions() -> Iterator[Address]:
    class Everybody(AnonymousUser):
        def has_perm(self, *_: Any, **__: Any) -> bool:  # type: ignore[override]
            return True

    request = RequestFactory().get("/")
    request.user = Everybody()
    for one in _admins():
        name = f"{one.opts.app_label}_{one.opts.model_name}_changelist"
        for action in one.get_actions(request):
            yield Address(name, action, "action")


def others() -> list[str]:
    """The pages of the project that are about nothing in particular, and those for people without the admin."""
    return sorted(name for name, _ in pages() if not name.startswith((*OURS, *DJANGOS_OWN)))
