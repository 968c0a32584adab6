"""Fixtures for tests with real workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docqueue.worker.processes import Manage


@pytest.fixture
def manage(transactional_db: None, project_env: dict[str, str], tmp_path: Path) -> Iterator[Manage]:
    """Starts management commands, among them workers; whatever is left of them is killed after the test."""
    manage = Manage(project_env, tmp_path)
    yield manage
    manage.end()
