"""Fixtures for tests with real workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from docqueue.worker.pool import ProcessPool
from tests.docqueue.worker.pools import MakePool
from tests.docqueue.worker.processes import SHORT, Manage


@pytest.fixture
def manage(transactional_db: None, project_env: dict[str, str], tmp_path: Path) -> Iterator[Manage]:
    """Starts management commands, among them workers; whatever is left of them is killed after the test."""
    manage = Manage(project_env, tmp_path)
    yield manage
    manage.end()


@pytest.fixture
def make_pool(django_db_setup: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakePool]:
    """Makes started pools of real executor processes, which work on the test's database."""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", SHORT["DJANGO_SETTINGS_MODULE"])
    monkeypatch.setenv("TEST_DATABASE", connection.settings_dict["NAME"])
    pools: list[ProcessPool] = []

    def make(size: int = 1, method: str = "forkserver") -> ProcessPool:
        pool = ProcessPool("default", size, method)
        pools.append(pool)
        pool.start()
        return pool

    yield make
    for pool in pools:
        pool.close()
