"""The format of docs/how-to/add-a-format.md, added to a real worker as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ingestion.models import Document, IngestFile, Outcome
from ingestion.services import search
from tests.ingestion.factories import UserFactory, accept, upload
from tests.ingestion.running import WorkerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

SUBTITLES = """1
00:00:01,000 --> 00:00:04,000
<i>The heron</i> waits
at the pond.

2
00:00:05,500 --> 00:00:07,000
Then it flies.
"""


@pytest.fixture
def block(root: Path) -> str:
    """The page's module."""
    text = (root / "docs/how-to/add-a-format.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return str(block)


@pytest.fixture
def env(project_env: dict[str, str], root: Path, block: str, tmp_path: Path) -> dict[str, str]:
    """A project with the page's module on its path and the page's line in its environment."""
    (tmp_path / "subtitles.py").write_text(block)
    page = (root / "docs/how-to/add-a-format.md").read_text()
    named = re.findall(r"^INGESTION_FORMATS=(\S+)", page, re.MULTILINE)[0]
    return project_env | {"INGESTION_FORMATS": named, "PYTHONPATH": f"{root}{os.pathsep}{tmp_path}"}


def test_it_takes_less_than_forty_lines_of_code(block: str) -> None:
    lines = [line for line in block.splitlines() if line.strip()]
    assert len(lines) < 40


def test_a_file_of_the_format_is_ingested_and_found(root: Path, env: dict[str, str]) -> None:
    owner = UserFactory()
    intake = accept(owner, upload("episode.srt", SUBTITLES), upload("named.pdf", SUBTITLES.replace("heron", "egret")))
    with WorkerProcess(root, env) as worker:
        worker.until(lambda: not IngestFile.objects.filter(outcome="").exists(), 60)
    assert set(intake.files.values_list("outcome", flat=True)) == {Outcome.COMPLETED}
    document = Document.objects.get(file__ordinal=0)
    assert (document.type, document.content_type, document.extractor) == ("srt", "application/x-subrip", "srt")
    assert document.warnings == []
    assert Document.objects.get(file__ordinal=1).warnings[0].startswith("type_mismatch: ")
    (hit,) = search(owner.pk, "heron").hits
    assert "<mark>heron</mark> waits at the pond.\nThen it flies" in hit.snippet


def test_a_worker_does_not_start_with_a_format_that_is_not_there(root: Path, env: dict[str, str]) -> None:
    command = [sys.executable, str(root / "manage.py"), "run_queue_worker", "--drain"]
    wrong = env | {"INGESTION_FORMATS": "subtitles.STR"}
    run = subprocess.run(command, cwd=root, env=wrong, capture_output=True, text=True, timeout=60)
    assert run.returncode != 0
    assert "ingestion.E002" in run.stderr
    assert "subtitles.STR" in run.stderr
