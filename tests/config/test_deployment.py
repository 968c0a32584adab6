"""The files for containers, and the set-up script."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml


def test_the_compose_file_is_valid_by_the_published_schema(root: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        "docker-compose.yml",
    ]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_has_a_database_a_site_and_three_workers_on_loopback(root: Path) -> None:
    services = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]
    assert services["worker"]["deploy"]["replicas"] == 3
    assert services["worker"]["command"][-1] == "run_queue_worker"
    assert services["web"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert all(port.startswith("127.0.0.1:") for port in services["web"]["ports"])
    assert "ports" not in services["postgres"]


@pytest.mark.parametrize("name", ["py311", "py312plus", "deploy"])
def test_lock_files_pin_everything_by_hash_and_name_no_host(root: Path, name: str) -> None:
    text = (root / "requirements" / f"{name}.txt").read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(entries) > 20
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+(\[[a-z,]+\])?==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry
    assert not re.search(r"https?:|file:|index-url|find-links|trusted-host", text)


def test_the_set_up_of_an_environment_that_is_up_to_date_does_nothing(root: Path, tmp_path: Path) -> None:
    venv = tmp_path / "a venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    env = dict(os.environ) | {"VENV": str(venv)}
    code = "import sys; sys.path.insert(0, 'scripts'); import bootstrap as b; b.STAMP.write_text(b.stamp_for((3, 11)))"
    subprocess.run([sys.executable, "-c", code], env=env, cwd=root, check=True)
    done = subprocess.run([sys.executable, "scripts/bootstrap.py"], env=env, cwd=root, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("trick", "words"),
    [
        ("sys.version_info = (3, 9, 2, 'final', 0)", "Python 3.11 or newer is needed"),
        ("sys.modules['ensurepip'] = None", "has no module ensurepip"),
        ("b.NEEDED_BYTES = 10**18", "The disk is nearly full"),
    ],
)
def test_the_set_up_says_in_plain_words_what_is_wrong(root: Path, tmp_path: Path, trick: str, words: str) -> None:
    code = f"import sys; sys.path.insert(0, 'scripts'); import bootstrap as b\n{trick}\nb.main()"
    env = dict(os.environ) | {"VENV": str(tmp_path / "venv")}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=root, capture_output=True, text=True)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_make_lists_every_command_with_its_purpose(root: Path) -> None:
    done = subprocess.run(["make"], cwd=root, capture_output=True, text=True)
    for name in ("run", "demo", "reset", "test", "check", "coverage", "bench"):
        assert re.search(rf"make {name} +\S", done.stdout), name
