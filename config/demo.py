"""`make demo`: the whole way on fresh data, without staying. Exit code 0 only when every sample ended as expected."""

from __future__ import annotations

import html
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from config import embedded_postgres, samples
from config.api_client import ApiClient, ApiError
from config.first_run import prepare
from config.paths import postgres_dir, var_dir
from config.postgres_place import locate
from config.processes import CanNotRun, Processes, free_port, stop_signals

SECONDS = 240


def main() -> int:
    """Run the demo; says what went wrong and where the logs are."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("DOCQUEUE_GRACE_SECONDS", "5")
    folder = var_dir() / f"demo-{os.getpid()}"
    folder.mkdir(parents=True)
    os.environ["VAR_DIR"] = str(folder)
    os.environ.pop("EMBEDDED_POSTGRES_DIR", None)
    try:
        with stop_signals() as stops, _database():
            wrong = _run(stops)
    except (CanNotRun, ApiError, embedded_postgres.PostgresUnavailable, OSError) as error:
        wrong = [str(error)]
    if wrong:
        print("\nThe demo failed:", *wrong, f"Logs: {folder / 'logs'}", sep="\n  ", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    print("\nEvery file ended as it should.")
    return 0


@contextmanager
def _database() -> Iterator[None]:
    """A database of the demo's own: an embedded server, or a new database on DATABASE_URL's."""
    given = os.environ.get("DATABASE_URL")
    if not given:
        try:
            yield
        finally:
            embedded_postgres.leave()
            embedded_postgres.wait_stopped()
            place = locate(postgres_dir())
            for path in (place.base, place.socket_dir):
                shutil.rmtree(path, ignore_errors=True)
        return
    import psycopg
    from psycopg import sql

    name = sql.Identifier(f"docqueue_demo_{os.getpid()}")
    try:
        server = psycopg.connect(given, autocommit=True)
        server.execute(sql.SQL("create database {}").format(name))
    except psycopg.Error as error:
        raise CanNotRun(f"The demo needs a new database on DATABASE_URL's server: {error}") from error
    os.environ["DATABASE_URL"] = urlsplit(given)._replace(path=f"/docqueue_demo_{os.getpid()}").geturl()
    try:
        yield
    finally:
        server.execute(sql.SQL("drop database {} with (force)").format(name))
        server.close()


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
