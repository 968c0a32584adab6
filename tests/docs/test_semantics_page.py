"""docs/semantics.md names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path


def test_every_test_that_it_names_exists(root: Path) -> None:
    page = (root / "docs/semantics.md").read_text()
    text = (root / "tests/docqueue/test_unique_keys.py").read_text()
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 10
    assert named <= set(re.findall(r"^def (test_\w+)", text, flags=re.MULTILINE))
    for file in re.findall(r"`(tests/[\w/]+\.py)`", page):
        assert (root / file).exists(), file
