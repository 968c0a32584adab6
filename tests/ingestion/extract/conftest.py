"""What the extractors' tests share: extracting bytes, and making small files of each format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ingestion.extract import Extraction, extract
from ingestion.limits import Limits

Extract = Callable[..., Extraction]


@pytest.fixture
def extracted(tmp_path: Path) -> Extract:
    """Extract bytes (or a text, as UTF-8) as a type; keyword arguments change limits."""

    def run(data: bytes | str, kind: str, **limits: int) -> Extraction:
        path = tmp_path / "document"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return extract(path, kind, Limits(**limits))

    return run
