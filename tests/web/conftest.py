"""The upload page in a real browser, against a real web server of the project. Work is done when a test says so, by a
worker in this process; what must run beside the browser starts a worker of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect

from config.api_client import answers
from config.processes import _end_with_parent, free_port, web_command
from tests.ingestion.running import InlineWorker

expect.set_options(timeout=20_000)  # the machine may have other things to do
SMALL_PIECES = {"INGESTION_MAX_PATCH_BYTES": str(1024 * 1024)}
"""So that a large file of the tests goes in several pieces."""
WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) =>
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


@pytest.fixture(scope="session")
def site(django_db_setup: None, root: Path) -> Iterator[str]:
    """The address of a web server that works on the tests' database and files."""
    ours = {"DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_DATABASE": connection.settings_dict["NAME"]}
    with running(web_command, dict(os.environ) | ours | SMALL_PIECES | {"PYTHONPATH": str(root)}, root) as (_, address):
        yield address


Server = tuple[subprocess.Popen[bytes], str]


@contextmanager
def running(command: Callable[[int], list[str]], env: dict[str, str], root: Path, at: str = "") -> Iterator[Server]:
    """A web server, once it answers. It ends with us, however we end."""
    null, port = subprocess.DEVNULL, int(at.rpartition(":")[2]) if at else free_port()
    server = subprocess.Popen(
        command(port),
        cwd=root,
        env=env,
        stdout=null,
        stderr=null,
        start_new_session=True,
        preexec_fn=_end_with_parent,  # noqa: PLW1509
    )
    try:
        deadline = time.monotonic() + 30
        while not answers(f"http://127.0.0.1:{port}"):
            assert server.poll() is None, "the web server did not start"
            assert time.monotonic() < deadline, "the web server does not answer"
            time.sleep(0.05)
        yield server, f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait(10)


@pytest.fixture
def ada(transactional_db: None) -> object:
    """Whose uploads these are."""
    return get_user_model().objects.create_user("ada", password="a long pass phrase")


@pytest.fixture
def worker(transactional_db: None) -> InlineWorker:
    """Runs what is due when told to."""
    return InlineWorker()


@pytest.fixture
def enter(browser: Browser, site: str, ada: object) -> Iterator[Callable[..., Page]]:
    """Opens pages of ada's. At the end: nothing came from afar, no policy was violated, no script failed."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []
    expected: list[str] = []
    client = Client()
    client.force_login(ada)  # type: ignore[arg-type]

    def watch(page: Page) -> None:
        page.on("pageerror", lambda error: faults.append(f"script: {error}"))
        page.on("request", lambda asked: faults.append(f"from afar: {asked.url}") if _afar(asked.url) else None)
        page.on(
            "console", lambda line: faults.append(f"console: {line.text}") if "Content Security" in line.text else None
        )

    def open_page(
        path: str = "/", *, logged_in: bool = True, at: str = site, tolerated: str = "", **options: object
    ) -> Page:
        context = browser.new_context(base_url=at, **options)  # type: ignore[arg-type]
        contexts.append(context)
        if tolerated:
            expected.append(tolerated)
        context.set_default_timeout(15_000)
        context.add_init_script(WATCH)
        if logged_in:
            cookie = client.cookies["sessionid"].value
            context.add_cookies([{"name": "sessionid", "value": cookie, "url": at}])
        page = context.new_page()
        watch(page)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:
            faults += page.evaluate("window.violations || []")
        context.close()
    assert [fault for fault in faults if not any(words in fault for words in expected)] == []


def _afar(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "data:", "blob:"))
