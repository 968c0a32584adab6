"""Ingestion: a 2 GiB archive, 10,000 small files, PDFs, and whether a history of 100,000 files slows it down.

Archives enter by the service as the web view calls it (the large one by HTTP, so that the web process is measured,
too); a real worker takes them from there. Memory is the resident set of each process of the tree, ten times a second.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from bench import ingest_files
from bench.measure import BASE, Failed, end
from bench.run import Run
from bench.server import bench_dir
from config.api_client import answers

GIB = 1024**3
BIG_BYTES, SMALL_FILES, HISTORY_ZIPS = 2 * GIB, 10_000, 10
SECONDS = 3600.0
PORT = 8766
BIG, UNZIP = "2 GiB zip", "2 GiB zip, unzip and hash"
SMALL, PDFS, HISTORY = "10,000 small files", "PDF text", "100,000 files"
SAMPLE_SECONDS = 0.1
BOUNDARY = "bench-0c8f5a3e7d214b96"  # long enough not to stand in 2 GiB of noise


def measure(run: Run) -> None:
    """The workload `ingest`."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    import django
    from django.conf import settings

    django.setup()
    from django.core.management import call_command

    run.server.fresh(settings.DATABASES["default"]["NAME"])
    shutil.rmtree(documents(), ignore_errors=True)
    call_command("migrate", verbosity=0)
    folder = bench_dir() / "ingest"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with run.results.row("ingest", PDFS):
            run.say("ingest", PDFS, **pdf_text(folder))
        with run.results.row("ingest", SMALL):
            run.say("ingest", SMALL, **small(folder, run.size(SMALL_FILES), 0))
        with run.results.row("ingest", UNZIP):
            big = ingest_files.mixed(folder / "big.zip", int(BIG_BYTES * run.scale))
            run.say("ingest", UNZIP, **unzip(big))
        with run.results.row("ingest", BIG):
            run.say("ingest", BIG, **whole(big))
        with run.results.row("ingest", HISTORY):
            rates = [small(folder, run.size(SMALL_FILES), n)["rate"] for n in range(1, HISTORY_ZIPS + 1)]
            last = sum(rates[-2:]) / 2
            run.say("ingest", HISTORY, first_rate=rates[0], last_rate=last, time_ratio=rates[0] / last)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(documents(), ignore_errors=True)


def documents() -> Path:
    """Where the documents of the benchmark are stored."""
    from django.core.files.storage import storages

    return Path(storages["documents"].path("."))


def pdf_text(folder: Path) -> dict[str, float]:
    """The text of 200 PDFs by our reader and by pypdfium2 alone, in turns, in this process."""
    import random

    import pypdfium2

    from ingestion.extract import extract

    rng = random.Random(5)
    paths = []
    for n in range(200):
        paths.append(folder / f"{n}.pdf")
        paths[-1].write_bytes(ingest_files.pdf(rng, rng.randint(1, 20)))

    def bare() -> int:
        characters = 0
        for path in paths:
            with pypdfium2.PdfDocument(path) as document:
                for page in document:
                    text = page.get_textpage()
                    characters += len(text.get_text_bounded())
                    text.close()
                    page.close()
        return characters

    def ours() -> int:
        return sum(extract(path, "pdf").text_length for path in paths)

    timed: dict[Any, list[float]] = {bare: [], ours: []}
    for _ in range(5):
        for function, seconds in timed.items():
            began = time.perf_counter()
            if function() < 1_000_000:
                raise Failed("the PDFs have no text")
            seconds.append(time.perf_counter() - began)
    fastest = {function: min(seconds) for function, seconds in timed.items()}
    return {"ratio": fastest[bare] / fastest[ours], "files_per_second": len(paths) / fastest[ours]}


def small(folder: Path, count: int, seed: int) -> dict[str, float]:
    """Files per second from the upload of a zip of small texts to the end of its intake."""
    path = ingest_files.small_files(folder / "small.zip", count, seed)
    with workers("--processes", "2"):
        began = time.monotonic()
        intake = accept(path)
        finished(intake)
        seconds = time.monotonic() - began
    intake.refresh_from_db()
    if intake.counts["completed"] != count:
        raise Failed(f"{intake.counts}")
    return {"rate": count / seconds}


def unzip(path: Path) -> dict[str, float]:
    """Our unpacking (unzip, hash, store, queue) beside `unzip -p | sha256sum`, in turns; nothing else is processed."""
    ours, theirs = [], []
    for _ in range(2):
        began = time.monotonic()
        subprocess.run(["sh", "-c", f"unzip -p '{path}' | sha256sum"], check=True, stdout=subprocess.DEVNULL)
        theirs.append(time.monotonic() - began)
        with workers("--processes", "1"):  # one process: what is unpacked waits until all of it is
            intake = accept(path)
            until(lambda made=intake: _row(made).unpacked_at is not None)
        unpacked = _row(intake)
        ours.append((unpacked.unpacked_at - unpacked.created_at).total_seconds())
        forget()
    return {"ratio": min(theirs) / min(ours), "seconds": min(ours), "unzip_seconds": min(theirs)}


def forget() -> None:
    """Remove all intakes, what is queued of them, and the stored files."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("truncate docqueue_item, ingestion_intake, ingestion_document, ingestion_blob cascade")
    shutil.rmtree(documents(), ignore_errors=True)


def whole(path: Path) -> dict[str, float]:
    """The large zip by HTTP and to its end: the largest resident set of any process."""
    from config.first_run import prepare
    from config.processes import web_command

    access = prepare(bench_dir() / "credentials")
    with (bench_dir() / "logs" / "web.log").open("wb") as log:
        web = subprocess.Popen(web_command(PORT), stdout=log, stderr=log, start_new_session=True)
    try:
        until(lambda: answers(f"http://127.0.0.1:{PORT}"), 30)
        with workers("--processes", "2") as worker, watched([web, worker]) as most:
            began = time.monotonic()
            intake = _by_http(access.token, path)
            sent = time.monotonic() - began
            finished(intake)
            seconds = time.monotonic() - began
    finally:
        end(web)
    intake.refresh_from_db()
    files = intake.counts["total"]
    if intake.counts["completed"] + intake.counts["failed"] != files or not files:
        raise Failed(f"{intake.counts}")
    return {"rss_mib": max(most.values()) / 1024**2, "seconds": seconds, "upload_seconds": sent, "files": files}


def _by_http(token: str, path: Path) -> Any:
    """Send the file as a browser would, piece by piece."""
    from ingestion.models import Intake

    name = path.name
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=600)
    connection.putrequest("POST", "/api/v1/documents")
    connection.putheader("Authorization", f"Token {token}")
    connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
    connection.putheader("Content-Length", str(len(head) + path.stat().st_size + len(tail)))
    connection.endheaders()
    connection.send(head)
    with path.open("rb") as file:
        while chunk := file.read(256 * 1024):
            connection.send(chunk)
    connection.send(tail)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    if answer.status != 202:
        raise Failed(f"{answer.status} {said}")
    return Intake.objects.get(pk=said["id"])


def accept(path: Path) -> Any:
    """Take the archive in as the web view does."""
    from django.contrib.auth import get_user_model
    from django.core.files import File

    from ingestion.services import accept_upload

    owner, _ = get_user_model().objects.get_or_create(username="bench")
    with path.open("rb") as file:
        return accept_upload(owner.pk, [File(file, path.name)]).intake


def finished(intake: Any) -> None:
    """Wait for the intake's end."""
    until(lambda: _row(intake).finished_at is not None)


def _row(intake: Any) -> Any:
    return type(intake).objects.get(pk=intake.pk)


def until(condition: Any, seconds: float = SECONDS) -> None:
    """Wait until `condition` holds. Raises `Failed`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds:.0f} s")
        time.sleep(0.02)


@contextmanager
def workers(*options: str) -> Iterator[subprocess.Popen[bytes]]:
    """One worker, ready when the block begins and stopped at its end."""
    from docqueue.models import Worker

    def ready() -> bool:
        return Worker.objects.filter(stopped_at=None, lost_at=None).exists()

    command = [sys.executable, str(BASE / "manage.py"), "run_queue_worker", *options]
    log_file = bench_dir() / "logs" / "ingest.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        process = subprocess.Popen(command, cwd=BASE, stdout=log, stderr=log, start_new_session=True)
    try:
        until(ready, 30)
        yield process
    finally:
        end(process)


@contextmanager
def watched(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[dict[int, int]]:
    """The largest resident set, by process id, of these processes and of all that they start."""
    most: dict[int, int] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(SAMPLE_SECONDS):
            for root in processes:
                try:
                    tree = [psutil.Process(root.pid), *psutil.Process(root.pid).children(recursive=True)]
                    sizes = {process.pid: process.memory_info().rss for process in tree}
                except psutil.Error:
                    continue
                for pid, size in sizes.items():
                    most[pid] = max(most.get(pid, 0), size)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()
