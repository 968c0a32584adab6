"""docs/how-to/km-diagnostics.md: its commands are run as they stand there, and its names are those of the code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from rest_framework.authtoken.models import Token

from ingestion.diagnostics import metrics
from ingestion.diagnostics.keeping import PHASES
from ingestion.limits import Limits
from tests.ingestion.conftest import documents_dir, owner, worker
from tests.ingestion.factories import accept
from tests.ingestion.km.conftest import http_km, km

__all__ = ["documents_dir", "http_km", "km", "owner", "worker"]


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs/how-to/km-diagnostics.md").read_text()


def commands(page: str, about: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    [block] = [block for block in blocks if about in block]
    return block.splitlines()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("token", ["a-secret", "another"])
def test_the_check_says_what_the_page_shows(page: str, root: Path, project_env, km, token: str) -> None:
    [command] = commands(page, "km_check")
    ours = {"INGESTION_KM": "ingestion.km.http.HttpKM", "INGESTION_KM_URL": km.url, "INGESTION_KM_TOKEN": token}
    told = subprocess.run(
        [sys.executable, *shlex.split(command)], cwd=root, env=project_env | ours, capture_output=True, text=True
    )
    assert told.returncode == (0 if token == "a-secret" else 1), told.stderr
    if token == "another":
        shown = [line for line in page.splitlines() if re.match("(FAILED|ok|–|        →) ", line)]
        for line in shown[3:]:
            assert re.sub(r"[\d.]+ ms", "", line).split() in [
                re.sub(r"[\d.]+ ms", "", said).split() for said in told.stdout.splitlines()
            ], line


@pytest.mark.django_db(transaction=True)
def test_the_addresses_answer(page: str, owner, worker, http_km, live_server) -> None:
    intake = accept(owner)
    worker.run()
    owner.is_staff = True
    owner.save()
    first, *asked = commands(page, "curl")
    key = Token.objects.create(user=owner).key
    for command in asked:
        script = f"{first}\n{command}".replace("http://127.0.0.1:8000", live_server.url).replace(
            "/12/", f"/{intake.pk}/"
        )
        script = script.replace("curl ", "curl -sS --fail-with-body ")
        env = {"TOKEN": key, "PATH": "/usr/bin:/bin"}
        answer = subprocess.run(["sh", "-c", script], env=env, capture_output=True, text=True, timeout=30)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert '"put"' in answer.stdout


def test_the_phases_metrics_and_settings_are_those_of_the_code(page: str) -> None:
    phases = {
        name for row in re.findall(r"^\| (`\w+`[^|]*) \|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert phases - {name for name in phases if name.startswith("ingestion_")} == set(PHASES)
    sums = [("put", "", phase, 0, 1, 0.1, 7) for phase in PHASES]
    samples = {family.name for family in metrics.families(sums)}
    named = {re.sub("_total$", "", name) for name in phases if name.startswith("ingestion_")}
    assert named == samples
    for name in re.findall(r"INGESTION_([A-Z_]+)`", page):
        assert name.lower() in Limits.__dataclass_fields__, name
