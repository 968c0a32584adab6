"""A project on data of its own, for programs that judge it: a new database, a new folder, nothing of it kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from config import embedded_postgres
from config.paths import postgres_dir, var_dir
from config.postgres_place import locate
from config.processes import CanNotRun


@contextmanager
def fresh_project(name: str) -> Iterator[Path]:
    """Within the block this process and those it starts have an empty folder (yielded) and a database of their own.

    Enter it before Django is set up. The database is gone in the end; the folder is left to the caller, as the logs
    lie in it. Raises `CanNotRun` when there can be no database.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("DOCQUEUE_GRACE_SECONDS", "5")
    folder = var_dir() / f"{name}-{os.getpid()}"
    folder.mkdir(parents=True)
    os.environ["VAR_DIR"] = str(folder)
    os.environ.pop("EMBEDDED_POSTGRES_DIR", None)
    with _database(f"docqueue_{name}_{os.getpid()}"):
        yield folder


@contextmanager
def _database(name: str) -> Iterator[None]:
    """An embedded server, or a new database on DATABASE_URL's."""
    given = os.environ.get("DATABASE_URL")
    if not given:
        try:
            yield
        finally:
            embedded_postgres.leave()
            embedded_postgres.wait_stopped()
            place = locate(postgres_dir())
            for path in (place.base, place.socket_dir):
                shutil.rmtree(path, ignore_errors=True)
        return
    import psycopg
    from psycopg import sql

    identifier = sql.Identifier(name)
    try:
        server = psycopg.connect(given, autocommit=True)
        server.execute(sql.SQL("create database {}").format(identifier))
    except psycopg.Error as error:
        raise CanNotRun(f"A new database on DATABASE_URL's server is needed: {error}") from error
    os.environ["DATABASE_URL"] = urlsplit(given)._replace(path=f"/{name}").geturl()
    try:
        yield
    finally:
        server.execute(sql.SQL("drop database {} with (force)").format(identifier))
        server.close()
