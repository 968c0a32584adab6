"""docs/how-to/progress.md: its loop is run as it stands there, and its fields are those of the API."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from threading import Thread

import pytest
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser
from rest_framework.authtoken.models import Token

from config.processes import web_command
from ingestion.api.serializers import DocumentShape, FileShape, IntakeShape
from tests.ingestion.conftest import documents_dir, owner, worker
from tests.ingestion.event_streams import gunicorn_asgi, serving
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


def scripts(page: str) -> list[str]:
    """The two functions on the page: one that asks, one that listens."""
    return re.findall(r"^```js\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("node") is None, reason="the loop is JavaScript: node is not installed")
@pytest.mark.django_db(transaction=True)
def test_the_loop_is_told_of_every_step_until_the_end(page: str, owner, worker, live_server) -> None:
    loop, _ = scripts(page)
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


@pytest.mark.slow
@pytest.mark.parametrize("asgi", [True, False], ids=["events", "asking"])
def test_a_browser_listens_where_there_are_events_and_asks_elsewhere(
    page: str, owner, worker, root: Path, project_env, browser: Browser, asgi: bool
) -> None:
    intake = accept_zip(owner, {"a.txt": "alpha", "b.txt": "beta"})
    client = Client()
    client.force_login(owner)
    with serving(gunicorn_asgi if asgi else web_command, root, project_env) as server:
        site = f"http://127.0.0.1:{server.port}"
        tab = browser.new_page(bypass_csp=True)  # the tool evaluates texts, which the policy forbids
        tab.context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": site}])
        asked = []
        tab.on("request", lambda request: asked.append(request.url.removeprefix(site)))
        tab.goto(f"{site}/livez")
        tab.evaluate(
            f"""() => {{
                {"".join(scripts(page))}
                window.told = [];
                window.end = listen("{site}/api/v1/intakes/{intake.pk}", (intake) => window.told.push(intake));
            }}"""
        )
        tab.wait_for_function("window.told.length > 0")
        worker_ran = Thread(target=lambda: (worker.run(), connections.close_all()))  # this thread has a loop of its own
        worker_ran.start()
        last = tab.evaluate("window.end")
        told = tab.evaluate("window.told")
        tab.context.close()
        worker_ran.join()
    assert (last["status"], last["files_completed"]) == ("completed", 2)
    assert (told[0]["finished"], told[-1]) == (False, last)
    address = f"/api/v1/intakes/{intake.pk}"
    assert (address in asked) is not asgi
    assert asked.count(f"{address}/events") == 1


@pytest.mark.django_db(transaction=True)
def test_the_command_of_the_page_serves_a_stream_to_curl(page: str, owner, worker, root: Path, project_env) -> None:
    [serve] = re.findall(r"^gunicorn (.*) --bind 127.0.0.1:8001$", page, re.MULTILINE)
    [ask] = re.findall(r"^(curl -N .*/events)$", page, re.MULTILINE)
    intake = accept_zip(owner, {"a.txt": "alpha"})
    worker.run()

    def command(port: int) -> list[str]:
        return [*gunicorn_asgi(port)[:3], *serve.split(), "--bind", f"127.0.0.1:{port}", "--no-control-socket"]

    with serving(command, root, project_env) as server:
        ask = ask.replace("127.0.0.1:8001", f"127.0.0.1:{server.port}").replace("/12/", f"/{intake.pk}/")
        token = Token.objects.create(user=owner).key
        answer = subprocess.run(
            ["sh", "-c", ask], env={**project_env, "TOKEN": token}, capture_output=True, text=True, timeout=30
        )
    assert answer.returncode == 0, answer.stderr
    assert re.findall(r"^event: (\w+)$", answer.stdout, re.MULTILINE) == ["progress", "end"]
