"""A resumable upload of 2 GiB beside a plain one: how fast it is, and how large the web processes become.

Both go over loopback to gunicorn as `make run` starts it, with two processes of eight threads, and to the same disk.
The resumable one is sent in pieces of 64 MiB on one kept connection, each synced to the disk, and ends when the file is
hashed, checked, in the document storage and in the queue. The plain one is `curl -T` to an application that does
nothing but write the body to a file and sync it (`bench/plain_put.py`). They take turns, with the same file.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import mmap
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psutil

from bench.measure import Failed
from bench.run import Run
from bench.server import bench_dir
from config.api_client import answers

MIB = 1024 * 1024
SIZE = 2048 * MIB
PIECE = 64 * MIB
PORT, PLAIN_PORT = 8766, 8767
ROUNDS = 2
ROW = "2 GiB in pieces of 64 MiB, 2 web processes"


def measure(run: Run) -> None:
    """The workload `resumable`."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    from config.first_run import prepare

    access = prepare(bench_dir() / "credentials")
    folder = bench_dir() / "resumable"
    folder.mkdir(exist_ok=True)
    size = max(PIECE, int(SIZE * run.scale) // PIECE * PIECE)
    source, copy = folder / "source.bin", folder / "copy.bin"
    rates: dict[str, list[float]] = {"tus": [], "plain": []}
    sets: list[Watched] = []
    try:
        with run.results.row("resumable", ROW), gunicorn(PORT) as web, gunicorn(PLAIN_PORT, copy):
            write_source(source, size)
            for _ in range(ROUNDS):
                rates["plain"].append(size / MIB / plain(source))
                copy.unlink()
                stamp(source)  # a file that the storage does not have yet
                with Watched(web) as watched:
                    rates["tus"].append(size / MIB / tus(source, access.token))
                sets.append(watched)
                print(f"    plain {rates['plain'][-1]:,.0f} MiB/s, resumable {rates['tus'][-1]:,.0f} MiB/s", flush=True)
            tus_rate, plain_rate = (sum(found) / len(found) for found in rates.values())
            run.say(
                "resumable", ROW, ratio=tus_rate / plain_rate, mib_s=tus_rate, plain_mib_s=plain_rate,
                rss_mb=max(each.most for each in sets) * 1024 / 1e6, rss_before_mb=sets[0].first * 1024 / 1e6,
            )  # fmt: skip
    finally:
        for path in (source, copy):
            path.unlink(missing_ok=True)


def write_source(path: Path, size: int) -> None:
    """Bytes that no file system makes smaller, and in the page cache: the disk is not to be read."""
    block = os.urandom(PIECE)
    with path.open("wb") as file:
        for number in range(size // PIECE):
            file.write(number.to_bytes(8, "big"))
            file.write(block[8:])
        file.flush()
        os.fsync(file.fileno())


def stamp(path: Path) -> None:
    """Make the file another one by its first bytes."""
    with path.open("r+b") as file:
        file.write(os.urandom(8))


def plain(source: Path) -> float:
    """Seconds that curl takes."""
    began = time.monotonic()
    command = ["curl", "-sS", "--fail", "-T", str(source), f"http://127.0.0.1:{PLAIN_PORT}/copy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise Failed(f"curl ended with {done.returncode}: {done.stderr}")
    return time.monotonic() - began


def tus(source: Path, token: str) -> float:
    """Seconds from the creation to the intake."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
    headers = {"Authorization": f"Token {token}", "Tus-Resumable": "1.0.0"}
    size = source.stat().st_size
    name = base64.b64encode(b"source.bin").decode()
    said = ask(connection, "POST", "/api/v1/uploads", None, 201, headers | {
        "Upload-Length": str(size), "Upload-Metadata": f"filename {name}"})  # fmt: skip
    place = said["Location"] or ""
    headers |= {"Content-Type": "application/offset+octet-stream"}
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for at in range(0, size, PIECE):
            with memoryview(mapped)[at : at + PIECE] as piece:
                said = ask(connection, "PATCH", place, piece, 204, headers | {"Upload-Offset": str(at)})
    seconds = time.monotonic() - began
    if said["Docqueue-Intake"] is None:
        raise Failed("the last piece was not answered with an intake")
    headers.pop("Content-Type")
    ask(connection, "DELETE", f"/api/v1/intakes/{said['Docqueue-Intake']}", None, 204, headers)
    return seconds


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    place: str,
    body: memoryview | None,
    expected: int,
    headers: dict[str, str],
) -> http.client.HTTPMessage:
    """The headers of the answer, which must have this status."""
    connection.request(method, place, body, headers)
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != expected:
        raise Failed(f"{method} was answered with {answer.status}: {said[:300]!r}")
    return answer.headers


@contextmanager
def gunicorn(port: int, copy: Path | None = None) -> Iterator[int]:
    """The web server of `make run`; with `copy`, the same with the plain application. Yields its process id."""
    from config.processes import web_command

    command, env = web_command(port), dict(os.environ)
    if copy is not None:
        command[command.index("config.wsgi")] = "bench.plain_put"
        env["PLAIN_PUT_FILE"] = str(copy)
    with (bench_dir() / "logs" / f"resumable-{port}.log").open("wb") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 30
        while not (answers(f"http://127.0.0.1:{port}") if copy is None else listens(server.pid, port)):
            if time.monotonic() > deadline or server.poll() is not None:
                raise Failed("a web server does not answer")
            time.sleep(0.05)
        yield server.pid
    finally:
        server.terminate()
        with contextlib.suppress(ProcessLookupError):
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


def listens(pid: int, port: int) -> bool:
    """Whether something of this server takes connections."""
    found = psutil.Process(pid).net_connections("tcp")
    return any(c.laddr and c.laddr.port == port and c.status == psutil.CONN_LISTEN for c in found)


class Watched:
    """The largest resident set, in KiB, that any process of a web server has within the block, every 20 ms."""

    def __init__(self, pid: int) -> None:
        self.pid, self.first, self.most = pid, 0, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self.first = self._look()
        self.thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.over.set()
        self.thread.join()

    def _watch(self) -> None:
        while not self.over.wait(0.02):
            self.most = max(self.most, self._look())

    def _look(self) -> int:
        master = psutil.Process(self.pid)
        return max(rss_kib(process.pid) for process in (master, *master.children(recursive=True)))


def rss_kib(pid: int) -> int:
    """The resident set of a process; 0 when it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        if found := re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE):
            return int(found[1])
    return 0
