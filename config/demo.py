"""`make demo`: the whole way on fresh data, without staying. Exit code 0 only when every sample ended as expected."""

from __future__ import annotations

import html
import re
import shutil
import sys
from pathlib import Path

from config import embedded_postgres, samples
from config.api_client import ApiClient, ApiError
from config.first_run import prepare
from config.fresh import fresh_project
from config.paths import var_dir
from config.processes import CanNotRun, Processes, free_port, stop_signals

SECONDS = 240


def main() -> int:
    """Run the demo; says what went wrong and where the logs are."""
    folder = var_dir()
    try:
        with stop_signals() as stops, fresh_project("demo") as folder:
            wrong = _run(stops)
    except (CanNotRun, ApiError, embedded_postgres.PostgresUnavailable, OSError) as error:
        wrong = [str(error)]
    if wrong:
        print("\nThe demo failed:", *wrong, f"Logs: {folder / 'logs'}", sep="\n  ", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    print("\nEvery file ended as it should.")
    return 0


def _run(stops: list[int]) -> list[str]:
    """The demo itself; returns what is not as it should be."""
    print("Preparing a fresh database …", flush=True)
    access = prepare(var_dir() / "credentials")
    processes = Processes(free_port(), var_dir() / "logs")
    expected = samples.Expected.read()
    try:
        print("Starting the web server and two workers …", flush=True)
        processes.start(stopped=lambda: bool(stops))
        if stops:
            return ["it was stopped"]
        api = ApiClient(processes.site, access.token)
        print("Sending the sample documents through the API …", flush=True)
        intake = samples.send(api)
        state = samples.follow(api, intake, seconds=SECONDS, stopped=lambda: bool(stops))
        rows = samples.files(api, intake)
        print("\n" + samples.table(rows) + "\n", flush=True)
        wrong = samples.differences(expected, rows)
        if not state["finished"]:
            wrong.insert(0, "it was stopped" if stops else f"it had not ended after {SECONDS} seconds")
        return wrong + _search(api, expected)
    finally:
        processes.stop(hurry=lambda: len(stops) > 1)


def _search(api: ApiClient, expected: samples.Expected) -> list[str]:
    """Ask for words that stand only inside a document; show the answer."""
    hits = api.get("/api/v1/search", q=expected.words)["results"]
    print(f"Search for “{expected.words}”: {len(hits)} found")
    for hit in hits:
        snippet = re.sub(r"</?mark>", "*", " ".join(hit["snippet"].split()))
        print(f"  {hit['filename']}, page {hit['page'] or 1}: {html.unescape(snippet)}")
    if any(hit["filename"] == Path(expected.finds).name for hit in hits):
        return []
    return [f"the search for “{expected.words}” did not find {expected.finds}"]


if __name__ == "__main__":
    sys.exit(main())
