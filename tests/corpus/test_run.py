"""`make corpus` as a person starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_without_the_documents_it_ends_with_2_and_says_where_it_looked(root: Path, tmp_path: Path):
    env = os.environ | {"DOCQUEUE_CORPUS": str(tmp_path / "none")}
    run = subprocess.run(
        [sys.executable, "-m", "tests.corpus.run"], cwd=root, env=env, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 2
    assert f"no documents at {tmp_path / 'none'}" in run.stderr
