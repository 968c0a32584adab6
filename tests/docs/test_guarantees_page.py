"""docs/guarantees.md names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

from docqueue.chaos.scenarios import SCENARIOS

COMMAND = re.compile(r"`(tests/[\w/]+\.py)(?: -k (\w+))?`")


def test_every_row_names_tests_that_exist(root: Path) -> None:
    page, _, storms = (root / "docs/guarantees.md").read_text().partition("## Storms")
    assert set(re.findall(r"^\| `(\w+)`", storms, flags=re.MULTILINE)) <= set(SCENARIOS)
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| promise")]
    assert len(rows) > 20
    for row in rows:
        commands = COMMAND.findall(row)
        assert commands or "bench" in row, row
        assert len(commands) == row.count("tests/"), row
        for file, word in commands:
            names = re.findall(r"^ *def (test_\w+)", (root / file).read_text(), flags=re.MULTILINE)
            assert [name for name in names if word in name], f"{file} -k {word}"
