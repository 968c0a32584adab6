"""docs/how-to/progress.md: its loop is run as it stands there, and its fields are those of the API."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.test import Client

from ingestion.api.serializers import DocumentShape, FileShape, IntakeShape
from tests.ingestion.conftest import documents_dir, owner, worker
from tests.ingestion.factories import accept_zip

__all__ = ["documents_dir", "owner", "worker"]


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs/how-to/progress.md").read_text()


def test_the_fields_are_those_of_the_answers(page: str) -> None:
    rows = re.findall(r"^\| (`.*?) \| (.*?) \| .* \|$", page, re.MULTILINE)
    assert len(rows) > 10
    shapes = {"intake": IntakeShape, "file": FileShape, "document": DocumentShape}
    for names, where in rows:
        for kind in shapes if where == "all" else where.split(", "):
            missing = set(re.findall(r"`(\w+)`", names)) - set(shapes[kind]().fields)
            assert not missing, f"{kind} has no {missing}"


@pytest.mark.skipif(shutil.which("node") is None, reason="the loop is JavaScript: node is not installed")
@pytest.mark.django_db(transaction=True)
def test_the_loop_is_told_of_every_step_until_the_end(page: str, owner, worker, live_server) -> None:
    [loop] = re.findall(r"^```js\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    intake = accept_zip(owner, {"a.txt": "alpha", "b.txt": "beta"})
    browser = Client()
    browser.force_login(owner)
    url = f"{live_server.url}/api/v1/intakes/{intake.pk}"
    cookie = json.dumps({"Cookie": f"sessionid={browser.cookies['sessionid'].value}"})
    ask = f"follow({url!r}, (intake) => console.log(JSON.stringify(intake)), {cookie})"
    with subprocess.Popen(["node", "-e", f"{loop}\n{ask}"], stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        first = json.loads(node.stdout.readline())
        worker.run()
        told = [first, *map(json.loads, node.stdout)]
    assert node.returncode == 0
    assert (first["message_code"], first["finished"]) == ("waiting_for_worker", False)
    assert (told[-1]["status"], told[-1]["files_completed"]) == ("completed", 2)
