"""Large files in a real browser: cut off by the network, the server or a reload, they go on where they were."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, Route, expect

from config.processes import web_command
from ingestion.models import Blob, Intake
from ingestion.resumable.models import UploadSession
from tests.web.conftest import SMALL_PIECES, running

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 9 MiB, which goes in nine pieces."""
    file = tmp_path_factory.mktemp("large") / "book.txt"
    file.write_bytes(b"".join(b"line %08d of the book of herons\n" % n for n in range(300_000))[: 9 * MIB])
    return file


def arrived(book: Path) -> None:
    """All of it is there, once."""
    intake = Intake.objects.get()
    assert intake.filename == "book.txt"
    assert Blob.objects.get().sha256 == hashlib.sha256(book.read_bytes()).hexdigest()
    assert UploadSession.objects.count() == 1


def pieces(page: Page) -> list[int]:
    """Fills with the offsets from which pieces were sent."""
    offsets: list[int] = []

    def note(asked: Request) -> None:
        if asked.method == "PATCH":
            offsets.append(int(asked.headers["upload-offset"]))

    page.on("request", note)
    return offsets


def after(page: Page, number: int, then: Callable[[Route], object]) -> None:
    """Let so many pieces through; the one behind them is for `then`."""
    seen: list[str] = []

    def gate(route: Route) -> None:
        if route.request.method == "PATCH":
            seen.append(route.request.url)
            if len(seen) == number + 1:
                then(route)
                return
        route.continue_()

    page.route("**/api/v1/uploads/*", gate)


def hold(route: Route) -> None:
    """It never arrives."""


def test_a_reload_in_the_middle_of_a_large_file_is_continued_from_there(enter, book) -> None:
    page = enter()
    after(page, 3, hold)
    page.set_input_files("#choose", book)
    expect(page.locator("#sending .state")).to_have_text("Sending: 33 %")
    page.reload()
    page.unroute("**/api/v1/uploads/*")
    expect(page.locator(".interrupted")).to_contain_text("Interrupted at 33 %. Choose the same file again")
    offsets = pieces(page)
    page.set_input_files("#choose", book)
    expect(page.locator("[data-intake] h3")).to_have_text("book.txt")
    assert offsets[0] == 3 * MIB
    arrived(book)
    page.reload()
    expect(page.locator(".interrupted")).to_have_count(0)


@pytest.mark.slow
def test_a_lost_network_is_waited_for(enter, book) -> None:
    page = enter()
    held: list[Route] = []
    after(page, 2, held.append)
    offsets = pieces(page)
    page.set_input_files("#choose", book)
    expect(page.locator("#sending .state")).to_have_text("Sending: 22 %")
    page.context.set_offline(True)
    deadline = time.monotonic() + 10
    while not held:
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)  # lets the browser's events come in
    held[0].abort("internetdisconnected")
    expect(page.locator("#sending .state")).to_contain_text("The server can not be reached")
    page.context.set_offline(False)
    expect(page.locator("[data-intake] h3")).to_have_text("book.txt")
    assert 0 not in offsets[1:]
    arrived(book)


@pytest.mark.slow
def test_cancelling_a_large_file_ends_it_at_the_server(enter, book) -> None:
    page = enter()
    after(page, 1, hold)
    page.set_input_files("#choose", book)
    expect(page.locator("#sending .state")).to_have_text("Sending: 11 %")
    with page.expect_response(lambda answer: answer.request.method == "DELETE") as ended:
        page.get_by_role("button", name="Cancel book.txt").click()
    assert ended.value.status == 204
    assert not Intake.objects.exists()
    page.reload()
    expect(page.locator(".interrupted")).to_have_count(0)


@pytest.mark.slow
def test_a_server_that_is_killed_in_the_middle_costs_nothing_but_time(
    enter, book, project_env: dict[str, str], root: Path
) -> None:
    env = project_env | SMALL_PIECES
    with running(web_command, env, root) as (server, address):
        page = enter(at=address)

        def kill(route: Route) -> None:
            os.killpg(server.pid, signal.SIGKILL)
            route.continue_()

        after(page, 4, kill)
        offsets = pieces(page)
        page.set_input_files("#choose", book)
        expect(page.locator("#sending .state")).to_contain_text("The server can not be reached")
        with running(web_command, env, root, address):
            expect(page.locator("[data-intake] h3")).to_have_text("book.txt", timeout=60_000)
            assert 0 not in offsets[1:]
            arrived(book)
