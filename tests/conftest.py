"""Fixtures that any test may use. The database is real: the embedded PostgreSQL, or DATABASE_URL's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.corpus.table import corpus_folder

ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """The end of a run, or of one of its side processes (which get no pytest_unconfigure)."""
    from tests import settings

    settings.remove_files()


@pytest.fixture(scope="session", autouse=True)
def _quick_flush() -> Iterator[None]:
    """After a test with real commits, empty only the tables that hold something: several times as fast.

    Content types and permissions stay: Django would make the same ones again each time.
    """
    from django.db.backends.postgresql.operations import DatabaseOperations

    everything = DatabaseOperations.sql_flush

    def sql_flush(self: Any, style: Any, tables: list[str], **options: Any) -> list[str]:
        ours = [name for name in tables if name not in {"django_content_type", "auth_permission"}]
        look = " union all ".join(f"select '{name}' where exists (select from {name})" for name in ours)
        with self.connection.cursor() as cursor:
            cursor.execute(look)
            full = [name for (name,) in cursor.fetchall()]
        return everything(self, style, full, **options | {"allow_cascade": True})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", sql_flush)
        yield


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real documents: $DOCQUEUE_CORPUS, else shared/data beside the checkout."""
    folder = corpus_folder()
    if not folder.is_dir():
        pytest.skip(f"no corpus of real documents at {folder}; set DOCQUEUE_CORPUS to one")
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium, one for all tests of a process: its tool has a loop in this thread, and bears no second one.

    The database is asked between the turns of that loop. $CHROMIUM is another path of the browser.
    """
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
    if not Path(path).exists():
        pytest.fail(f"There is no Chromium at {path}: install the package chromium, or set CHROMIUM to its path.")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def project_env(transactional_db: None) -> dict[str, str]:
    """The environment for a process of the project that works on this test's database and files.

    Handlers of tests.testapp are known there too. What the test writes is committed, as other processes must see it.
    """
    from django.db import connection

    ours = {"DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_DATABASE": connection.settings_dict["NAME"]}
    return dict(os.environ) | ours | {"PYTHONPATH": str(ROOT)}
