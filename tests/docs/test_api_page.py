"""docs/api.md: its commands are sent to a live server, its TypeScript is run by node, its tables are the code's."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token

from config.environment import PROJECT_FIELDS
from docqueue import handlers
from docqueue.service import DocumentQueueService

pytestmark = pytest.mark.django_db(transaction=True)
OPERATION = "invoice.send"
TYPES = r": (Record<string, string>|Promise<void>|\(item: ItemStatus\) => void|ItemStatus|string|number)(?=[ ,)=])"


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs/api.md").read_text()


@pytest.fixture(autouse=True)
def operation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operation that the page speaks of."""
    monkeypatch.setattr(handlers, "_registry", dict(handlers._registry))
    handlers.handler(OPERATION)(lambda ctx: None)


@pytest.fixture
def token(db: None) -> str:
    operator = User.objects.create_superuser("operator", password="x")
    return str(Token.objects.create(user=operator).key)


def test_every_command_of_the_page_is_answered(page: str, token: str, live_server) -> None:
    service = DocumentQueueService()
    item = service.enqueue(1, OPERATION, delay_seconds=3600)
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks[1:] for line in block.splitlines() if line != "ITEM=42"]
    assert len(lines) == 14
    known = {"TOKEN": token, "API": f"{live_server.url}/api/v1", "ITEM": str(item.id)}
    script = "\n".join(["set -e", 'curl() { command curl -sS -o "$OUT" -w "%{http_code} %{url}\\n" "$@"; }', *lines])
    script = script.replace("$(curl -sI", "$(command curl -sI")
    ran = subprocess.run(["bash", "-c", script], env=os.environ | known | {"OUT": os.devnull}, text=True, check=True,
                         capture_output=True)  # fmt: skip
    answers = [line.split(" ", 1) for line in ran.stdout.splitlines()]
    assert len(answers) == 13, ran
    statuses = {url.split("/api/v1/")[1].split("?")[0]: status for status, url in answers}
    assert statuses.pop("health/queue") == "503", "no worker runs here"
    assert answers[-1][0] == "304", "the item is cancelled, and nothing has happened since it was asked for"
    assert set(statuses.values()) == {"200", "201", "202", "304"}, statuses


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_typescript_is_told_of_every_change_until_the_end(page: str, token: str, live_server) -> None:
    [source] = re.findall(r"^```ts\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    plain = re.sub(r"^interface .*?^}\n", "", source, flags=re.MULTILINE | re.DOTALL).replace("export async", "async")
    plain = re.sub(TYPES, "", plain)
    service = DocumentQueueService()
    item = service.enqueue(None, OPERATION)
    ask = f"follow({live_server.url!r} + '/api/v1', {token!r}, {item.id}, (item) => console.log(JSON.stringify(item)))"
    with subprocess.Popen(["node", "-e", f"{plain}\n{ask}"], stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        told = [json.loads(node.stdout.readline())]
        claim = service.mark_in_progress(item)
        told.append(json.loads(node.stdout.readline()))
        service.mark_completed(claim)
        told += map(json.loads, node.stdout)
    assert node.returncode == 0
    assert [one["status"] for one in told] == ["pending", "in_progress", "completed"]
    assert told[-1]["finished"]


def test_the_throttles_are_those_of_the_settings(page: str) -> None:
    shown = dict(re.findall(r"\| (\d+/\w+) \| `(THROTTLE_\w+)` \|", page))
    defaults = {field.name: field.default for field in PROJECT_FIELDS if field.name.startswith("THROTTLE_")}
    assert {name: rate for rate, name in shown.items()} == defaults
