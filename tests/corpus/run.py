"""`make corpus`: all real documents through a fresh project with real workers, judged by tests/corpus/expected.csv.

Exit 0 when each is as the table says, 1 when one is not, 2 when the documents are not here.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from config import embedded_postgres
from config.first_run import ADMIN, prepare
from config.fresh import fresh_project
from config.processes import CanNotRun, Processes, stop_signals
from tests.corpus import judge
from tests.corpus.table import corpus_folder, on_disk, read_table

SECONDS = 180


def main() -> int:
    """Run it; says what differs, and where the logs are."""
    documents = corpus_folder()
    if not documents.is_dir():
        print(f"There are no documents at {documents}. Set DOCQUEUE_CORPUS to their folder.", file=sys.stderr)
        return 2
    began = time.monotonic()
    try:
        with stop_signals() as stops, fresh_project("corpus") as folder:
            good = _run(documents, folder, lambda: bool(stops))
    except (CanNotRun, embedded_postgres.PostgresUnavailable, OSError) as error:
        print(f"It could not run: {error}", file=sys.stderr)
        return 1
    print(f"{time.monotonic() - began:.0f} seconds.")
    if not good:
        print(f"Logs: {folder / 'logs'}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


def _run(documents: Path, folder: Path, stopped: Callable[[], bool]) -> bool:
    """Send, wait, judge; returns whether all is as the table says."""
    prepare(folder / "credentials")
    from django.contrib.auth import get_user_model

    from ingestion.extract import supported_types
    from tests.corpus.sending import look, send

    owner = get_user_model().objects.get(username=ADMIN)
    rows, disk = read_table(), on_disk(documents)
    processes = Processes(None, folder / "logs")
    try:
        processes.start()
        print(f"Sending {len(disk)} documents …", flush=True)
        sent = send(owner.pk, documents, list(disk))
        deadline = time.monotonic() + SECONDS
        while (unfinished := sent.unfinished()) and not stopped() and time.monotonic() < deadline:
            processes.watch(lambda said: print(said, flush=True))
            time.sleep(0.1)
        if unfinished:
            why = "It was stopped" if stopped() else f"{SECONDS} seconds are over"
            print(f"{why}; unfinished are {len(unfinished)}: {', '.join(unfinished)}", file=sys.stderr)
        wrong = list(judge.differences(rows, disk, look(sent, rows)))
        scored = judge.scores(rows, wrong, supported_types())
        print(judge.report(wrong, scored), flush=True)
        return not unfinished and judge.passed(wrong, scored)
    finally:
        processes.stop(hurry=stopped)


if __name__ == "__main__":
    sys.exit(main())
