"""Under a server that speaks ASGI the page listens, and asks only when it is told to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.ingestion.running import WorkerProcess
from tests.web.conftest import running


def asgi_command(port: int) -> list[str]:
    return [sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", str(port), "--log-level", "warning"]


@pytest.mark.slow
def test_events_keep_the_page_fresh_while_a_worker_works(
    enter, project_env: dict[str, str], root: Path, tmp_path: Path
) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("The heron waits by the water.")
    with running(asgi_command, project_env, root) as (_, address):
        page = enter(at=address)
        with page.expect_response("**/api/v1/intakes/*/events") as stream:
            page.set_input_files("#choose", file)
        assert stream.value.headers["content-type"].startswith("text/event-stream")
        expect(page.locator("[data-intake] .state")).to_have_text("Waiting for a worker")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/uploads/news" in request.url else None)
        with WorkerProcess(root, project_env):
            expect(page.locator("[data-intake] .state")).to_have_text("Completed", timeout=30_000)
        assert len(asked) < 12  # once for each thing that was told
