"""A fixture for pytest-django: `docqueue`, the functions of `docqueue.testing`, with the database."""

from __future__ import annotations

from types import ModuleType

import pytest


@pytest.fixture
def docqueue(db: None) -> ModuleType:  # noqa: ARG001 - it asks for the database
    """`docqueue.testing`: drain, run_one, assert_enqueued, travel, die_after, duplicate_delivery."""
    from docqueue import testing

    return testing
