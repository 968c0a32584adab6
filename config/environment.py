"""The project's environment variables: one typed table behind settings, .env.example and docs/settings.md."""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from docqueue.conf import FIELDS as DOCQUEUE_FIELDS
from docqueue.conf import SettingField

PROJECT_FIELDS: tuple[SettingField, ...] = (
    SettingField(
        "PRODUCTION",
        bool,
        False,
        "Strict mode: HTTPS only, secure cookies. SECRET_KEY, ALLOWED_HOSTS and DATABASE_URL must be set.",
    ),
    SettingField("DEBUG", bool, False, "Django's debug pages. Never with PRODUCTION."),
    SettingField("SECRET_KEY", str, "", "Signs sessions and links. Empty: made once and kept in VAR_DIR/secret_key."),
    SettingField(
        "ALLOWED_HOSTS",
        tuple,
        ("localhost", "127.0.0.1", "[::1]"),
        "Host names the site answers to, separated by commas.",
    ),
    SettingField(
        "CSRF_TRUSTED_ORIGINS",
        tuple,
        (),
        "Origins that may post forms when a proxy changes host or scheme, as https://docs.example.org.",
    ),
    SettingField(
        "TRUSTED_PROXY",
        bool,
        False,
        "A proxy in front ends TLS and sets X-Forwarded-Proto itself; without one, never set this.",
    ),
    SettingField(
        "DATABASE_URL",
        str,
        "",
        "PostgreSQL 15 or newer: postgresql://user:password@host/name. Empty: an embedded one is started.",
    ),
    SettingField(
        "DATABASE_CONN_MAX_AGE",
        int,
        60,
        "How many seconds a web process keeps a database connection; 0 behind a transaction pooler.",
    ),
    SettingField(
        "VAR_DIR",
        str,
        "",
        "Folder of everything generated: database, uploads, keys, logs. Empty: var/ in the checkout.",
    ),
    SettingField(
        "DOCUMENTS_URL",
        str,
        "",
        "Where documents' bytes are kept: s3://bucket/prefix?endpoint_url=…&region=…; credentials as boto3 finds them "
        "(AWS_…). Empty: VAR_DIR/documents.",
    ),
    SettingField("EMBEDDED_POSTGRES_DIR", str, "", "Folder of the embedded database. Empty: VAR_DIR/postgres."),
    SettingField("EMBEDDED_POSTGRES_DATABASE", str, "docqueue", "Name of the database on the embedded server."),
    SettingField(
        "EMBEDDED_POSTGRES_USER",
        str,
        "",
        "Unprivileged account it runs as when root starts it. Empty: postgres, else nobody.",
    ),
    *(
        SettingField(f"THROTTLE_{scope.upper()}", str, rate, f"Most requests of one {who}, or off: {what}.")
        for scope, rate, who, what in (
            ("read", "3000/minute", "user", "those that change nothing"),
            ("write", "1200/minute", "user", "those that change something"),
            ("upload", "600/minute", "user", "uploads"),
            ("bulk", "60/minute", "user", "those about many items at once"),
            ("anonymous", "300/minute", "address", "those of nobody who is logged in, refused ones as well"),
        )
    ),
    SettingField(
        "CACHE_URL",
        str,
        "locmemcache://?max_entries=50000",
        "Where throttles count. By default in each web process for itself: n processes let up to n times as much "
        "through. dbcache://docqueue_cache?max_entries=50000 counts for all (once: manage.py createcachetable).",
    ),
    SettingField("STATIC_ROOT", str, "", "Where collectstatic puts files. Empty: VAR_DIR/static."),
    SettingField("LOG_LEVEL", str, "INFO", "DEBUG, INFO, WARNING or ERROR."),
    SettingField("LOG_FORMAT", str, "auto", "json, console, or auto: console on a terminal, json elsewhere."),
)
SCOPES = ("read", "write", "upload", "bulk", "anonymous")
RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)")
BOOLEANS = {"true", "on", "ok", "y", "yes", "1", "false", "off", "n", "no", "0"}
KINDS = {bool: "true or false", int: "a whole number", float: "a number", dict: "a JSON object"}


class Group:
    """Variables of one part: those of `fields`, each behind `prefix`."""

    def __init__(self, title: str, prefix: str, fields: Iterable[SettingField], about: str) -> None:
        self.title = title
        self.prefix = prefix
        self.fields = tuple(fields)
        self.about = about

    def given(self) -> dict[str, Any]:
        """The values that the environment sets, parsed; those it does not are left out."""
        return {f.name: parse(self.prefix + f.name, f) for f in self.fields if os.environ.get(self.prefix + f.name)}

    def all(self) -> dict[str, Any]:
        """Every value: the environment's, else the default."""
        return {f.name: f.default for f in self.fields} | self.given()


def parse(name: str, field: SettingField) -> Any:
    """The environment's text for `name` as the field's type; `ImproperlyConfigured` when it is none."""
    env = environ.Env()
    readers = {
        bool: env.bool,
        int: env.int,
        float: env.float,
        tuple: lambda n: tuple(env.list(n)),
        str: env.str,
        dict: env.json,
    }
    try:
        if field.type is bool and os.environ[name].strip().lower() not in BOOLEANS:
            raise ValueError  # environ takes any other word for false
        return readers[field.type](name)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} must be {KINDS.get(field.type, field.type.__name__)}, not {os.environ[name]!r}."
        ) from error


def groups() -> list[Group]:
    """Every group of variables there is, in the order in which they are documented."""
    about = "Keys of the dict `{}` in Django's settings; every one is optional."
    found = [
        Group("The project", "", PROJECT_FIELDS, "Read by `config/settings.py`."),
        Group("The queue", "DOCQUEUE_", DOCQUEUE_FIELDS, about.format("DOCQUEUE")),
    ]
    if importlib.util.find_spec("ingestion.conf"):
        fields = import_module("ingestion.conf").FIELDS
        found.append(Group("Ingestion", "INGESTION_", fields, about.format("INGESTION")))
    return found


def throttle_rate(values: Mapping[str, Any], scope: str) -> str | None:
    """The rate of a scope as Django REST framework takes it; None: off. Raises `ImproperlyConfigured`."""
    name = f"THROTTLE_{scope.upper()}"
    text = str(values[name]).strip().lower()
    if text == "off":
        return None
    if not RATE.fullmatch(text):
        raise ImproperlyConfigured(
            f"{name} must be a rate such as 600/minute (second, hour, day) or off, not {text!r}."
        )
    return text


def kept_secret(path: Path) -> str:
    """The secret in `path`, made when there is none. Safe when several processes come first at once."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(64))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first, and its secret is the one
        finally:
            draft.unlink()
    return path.read_text().strip()
