"""The upload endpoint under 20 concurrent clients: 1 MB files, all different, two web processes.

Each client is a thread that sends its next request when the last was answered (a closed loop). The queue workers do not
run: this measures the door alone. Latency is from the first byte sent to the answer read.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import threading
import time

from bench.measure import Failed, percentile
from bench.run import Run
from bench.server import bench_dir
from config.api_client import answers

CLIENTS = 20
REQUESTS = 2_000
BYTES = 1_000_000
PORT = 8765
ROW = f"{CLIENTS} clients, {REQUESTS:,} requests of 1 MB, 2 web processes"
BOUNDARY = "bench-boundary"
FILLER = os.urandom(512).hex().encode()  # text, so that the type check has something to read


def body(number: int) -> bytes:
    """A multipart body with one text file that no other request has."""
    text = f"document {number}\n".encode() + FILLER * (BYTES // len(FILLER) + 1)
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{number}.txt"\r\n'
    return head.encode() + b"Content-Type: text/plain\r\n\r\n" + text[:BYTES] + f"\r\n--{BOUNDARY}--\r\n".encode()


def client(token: str, numbers: list[int], latencies: list[float], failures: list[str]) -> None:
    """Send requests one after the other on one kept connection."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    headers = {"Authorization": f"Token {token}", "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    while True:
        try:
            number = numbers.pop()
        except IndexError:
            return
        data = body(number)
        started = time.perf_counter()
        connection.request("POST", "/api/v1/documents", data, headers)
        answer = connection.getresponse()
        said = answer.read()
        latencies.append(time.perf_counter() - started)
        if answer.status != 202:
            failures.append(f"{answer.status} {said[:200]!r}")


def measure(run: Run) -> None:
    """The workload `upload`."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    with run.results.row("upload", ROW):
        run.say("upload", ROW, **once())


def once() -> dict[str, float]:
    """Requests per second and latencies in ms."""
    from config.first_run import prepare
    from config.processes import web_command

    access = prepare(bench_dir() / "credentials")
    with (bench_dir() / "logs" / "web.log").open("wb") as log:
        server = subprocess.Popen(web_command(PORT), stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while not answers(f"http://127.0.0.1:{PORT}"):
            if time.monotonic() > deadline:
                raise Failed("the web server does not answer")
            time.sleep(0.05)
        run_clients(access.token, list(range(REQUESTS, REQUESTS + 100)))  # warm up
        latencies, failures, seconds = run_clients(access.token, list(range(REQUESTS)))
    finally:
        server.terminate()
        server.wait(15)
    if failures:
        raise Failed(f"{len(failures)} requests failed, the first: {failures[0]}")
    return {
        "rate": REQUESTS / seconds,
        "p50_ms": percentile(latencies, 0.5) * 1000,
        "p95_ms": percentile(latencies, 0.95) * 1000,
        "p99_ms": percentile(latencies, 0.99) * 1000,
        "slowest_ms": max(latencies) * 1000,
    }


def run_clients(token: str, numbers: list[int]) -> tuple[list[float], list[str], float]:
    """Let the clients work off `numbers`. Returns latencies, failures and the seconds it took."""
    latencies: list[float] = []
    failures: list[str] = []
    threads = [threading.Thread(target=client, args=(token, numbers, latencies, failures)) for _ in range(CLIENTS)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies, failures, time.monotonic() - started
