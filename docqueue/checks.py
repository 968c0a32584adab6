"""System checks: what would not work, found by `manage.py check` before it hurts."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from docqueue import conf, handlers, redaction, routing, templates


@register("docqueue")
def check_settings(**_kwargs: Any) -> list[CheckMessage]:
    """docqueue.E002: the DOCQUEUE setting is wrong."""
    return [
        Error(problem, hint="See docs/settings.md.", id="docqueue.E002")
        for problem in conf.problems(getattr(django_settings, "DOCQUEUE", {}))
    ]


@register("docqueue")
def check_time_zone(**_kwargs: Any) -> list[CheckMessage]:
    """docqueue.E003: times without a zone can not be compared with the queue's."""
    if django_settings.USE_TZ:
        return []
    return [Error("docqueue needs time zones, but USE_TZ is False.", hint="Set USE_TZ = True.", id="docqueue.E003")]


@register("docqueue", Tags.compatibility)
def check_alias(**_kwargs: Any) -> list[CheckMessage]:
    """docqueue.E001: the alias is missing or no PostgreSQL; docqueue.W001: it would lose the session state."""
    raw = getattr(django_settings, "DOCQUEUE", {})
    if conf.problems(raw):
        return []
    alias = conf.get_settings().DATABASE
    if alias not in connections:
        hint = f"Name one of DATABASES: {', '.join(connections)}."
        return [Error(f"DOCQUEUE['DATABASE'] names no database: {alias!r}.", hint=hint, id="docqueue.E001")]
    if connections[alias].vendor != "postgresql":
        return [
            Error(
                f"docqueue needs PostgreSQL, but the database {alias!r} is {connections[alias].vendor}.",
                hint="Point DOCQUEUE['DATABASE'] at an alias whose ENGINE is django.db.backends.postgresql.",
                id="docqueue.E001",
            )
        ]
    options = connections[alias].settings_dict.get("OPTIONS", {})
    if options.get("prepare_threshold") is not None:
        return [
            checks.Warning(
                f"The database {alias!r} sets prepare_threshold: behind a transaction pooler prepared statements fail.",
                hint="Leave it out unless workers connect to PostgreSQL directly.",
                id="docqueue.W001",
            )
        ]
    return []


@register("docqueue")
def check_templates(**_kwargs: Any) -> list[CheckMessage]:
    """docqueue.E004: enqueue would refuse what a template says, as it names an operation that has no handler."""
    if conf.problems(getattr(django_settings, "DOCQUEUE", {})):
        return []
    hint = "Correct the template in DOCQUEUE['TEMPLATES'], or register its handler."
    return [Error(problem, hint=hint, id="docqueue.E004") for problem in templates.problems()]


@register("docqueue")
def check_limits(**_kwargs: Any) -> list[CheckMessage]:
    """docqueue.E005: a handler names a limit that there is not; every enqueue of its operation would be refused."""
    if conf.problems(getattr(django_settings, "DOCQUEUE", {})):
        return []
    table = conf.get_settings().LIMITS
    found: list[CheckMessage] = []
    for operation in sorted(handlers.ruled):
        key = handlers.get(operation).limit_key
        if key is not None and routing.limit(table, key) is None:
            said = f"The handler of {operation} names the limit {key!r}, and DOCQUEUE['LIMITS'] has nothing under it."
            found.append(Error(said, hint="Add it there, or correct the name.", id="docqueue.E005"))
    return found


@register("docqueue")
def check_redaction(**_kwargs: Any) -> list[CheckMessage]:
    """docqueue.E006: what hides secrets from people can not be called; nobody would see any payload."""
    if conf.problems(getattr(django_settings, "DOCQUEUE", {})):
        return []
    try:
        redaction.function(conf.get_settings().REDACT)
    except (ImportError, TypeError) as error:
        hint = "Give the dotted path of a function (operation, payload) that returns what people may see."
        return [Error(f"DOCQUEUE['REDACT']: {error}", hint=hint, id="docqueue.E006")]
    return []


@register("docqueue")
def check_routes(**_kwargs: Any) -> list[CheckMessage]:
    """docqueue.W002: a route fits no operation, as where its name is misspelt; it would never be heard of."""
    if conf.problems(getattr(django_settings, "DOCQUEUE", {})):
        return []
    names = handlers.operations()
    return [
        checks.Warning(
            f"DOCQUEUE['ROUTES'][{pattern!r}] fits no registered operation.{routing.meant(pattern, names)}",
            hint="Correct the pattern, register the handler, or take the route out.",
            id="docqueue.W002",
        )
        for pattern in routing.idle(conf.get_settings().ROUTES, names)
    ]


@register("docqueue", deploy=True)
def check_dead_letters(**_kwargs: Any) -> list[CheckMessage]:
    """docqueue.I001: dead letters are kept until somebody looks after them."""
    if conf.problems(getattr(django_settings, "DOCQUEUE", {})) or conf.get_settings().DEAD_RETENTION_DAYS:
        return []
    return [
        checks.Info(
            "Dead letters are kept for ever: they wait until somebody requeues or discards them.",
            hint="Set DOCQUEUE['DEAD_RETENTION_DAYS'], or silence this if somebody looks after them.",
            id="docqueue.I001",
        )
    ]
