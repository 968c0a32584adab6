"""Fixtures that any test may use. The database is real: the embedded PostgreSQL, or DATABASE_URL's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real documents: $DOCQUEUE_CORPUS, else shared/data beside the checkout."""
    folder = Path(os.environ.get("DOCQUEUE_CORPUS") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no corpus of real documents at {folder}; set DOCQUEUE_CORPUS to one")
    return folder


@pytest.fixture
def project_env(transactional_db: None) -> dict[str, str]:
    """The environment for a process of the project that works on this test's database and files.

    Handlers of tests.testapp are known there too. What the test writes is committed, as other processes must see it.
    """
    from django.db import connection

    ours = {"DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_DATABASE": connection.settings_dict["NAME"]}
    return dict(os.environ) | ours | {"PYTHONPATH": str(ROOT)}
