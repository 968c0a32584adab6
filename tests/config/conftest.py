"""A folder for an embedded server of a test's own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import embedded_postgres
from config.postgres_place import locate


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A new folder that every account may enter, as a checkout usually is; pytest's own belongs to one user alone."""
    folder = Path(tempfile.mkdtemp(prefix="docqueue-pg-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home(open_folder: Path) -> Iterator[Path]:
    """The home of an embedded server that is stopped and gone after the test, whatever happened to it."""
    yield from ending(open_folder / "postgres")


def ending(home: Path) -> Iterator[Path]:
    """Yield `home`; then stop what runs there and delete it."""
    yield home
    embedded_postgres.leave()
    embedded_postgres.stop(home)
    place = locate(home)
    for folder in (place.socket_dir, place.base):
        shutil.rmtree(folder, ignore_errors=True)
