"""The pages that are tables of the code say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docqueue.events import EventName
from scripts.reference_docs import PAGES


@pytest.mark.parametrize("path", PAGES)
def test_a_generated_page_is_what_the_generator_writes(path: str, root: Path) -> None:
    assert (root / path).read_text() == PAGES[path](), "run `make docs`"


def test_every_event_has_its_row(root: Path) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (root / "docs/reference/events.md").read_text(), flags=re.MULTILINE)
    assert sorted(rows) == sorted(EventName)
