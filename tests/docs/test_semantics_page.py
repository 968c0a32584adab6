"""docs/semantics.md names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path


def test_every_test_that_it_names_exists(root: Path) -> None:
    page = (root / "docs/semantics.md").read_text()
    files = {str(path.relative_to(root)): path.read_text() for path in (root / "tests").rglob("test_*.py")}
    there = {name for text in files.values() for name in re.findall(r"^def (test_\w+)", text, flags=re.MULTILINE)}
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 10
    assert named <= there, named - there
    for file in re.findall(r"`(tests/[\w/]+\.py)`", page):
        assert file in files, file
