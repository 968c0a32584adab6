"""HttpKM sends a file of 1 GiB to a server on the same machine, beside curl: the rate, and what memory it takes.

The server is the fake knowledge store in a process of its own; it hashes what it gets and keeps nothing. Both clients
send the same multipart form with a known length, in turn. Each round of HttpKM is a fresh process, and memory is what
its resident set grows by while it sends.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.measure import Failed
from bench.run import Run, note
from bench.server import bench_dir

BYTES = 1024 * 1024 * 1024
ROUNDS = 5
ROW = "HttpKM, 1 file of 1 GiB"
SERVER = """
import sys, threading
from ingestion.km.fake import FakeKM
with FakeKM() as km:
    print(km.url, flush=True)
    sys.stdin.read()
"""


def measure(run: Run) -> None:
    """The workload `km`."""
    size = max(8 * 1024 * 1024, int(BYTES * run.scale))
    folder = bench_dir() / "km"
    with run.results.row("km", ROW):
        size -= size % 2**20
        blob, sha256 = _blob(folder, size)
        ours: list[dict[str, float]] = []
        theirs: list[float] = []
        for number in range(ROUNDS):
            for client in ("curl", "ours") if number % 2 else ("ours", "curl"):
                with _Server() as url:
                    if client == "curl":
                        theirs.append(_curl(url, blob, sha256, size))
                    else:
                        ours.append(_ours(url, folder, sha256, size))
        rate, curl = median(size / one["seconds"] for one in ours), median(size / seconds for seconds in theirs)
        run.say(
            "km",
            ROW,
            mib_s=rate / 2**20,
            curl_mib_s=curl / 2**20,
            ratio=rate / curl,
            growth_mib=max(one["growth_mib"] for one in ours),
        )
        note(run.results, "km rounds", {"ours_s": [one["seconds"] for one in ours], "curl_s": theirs})
        blob.unlink()


class _Server:
    """The fake store in a process of its own, new for each send: nothing is there already."""

    def __enter__(self) -> str:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([sys.executable, "-c", SERVER], stdin=pipe, stdout=pipe, text=True)
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def __exit__(self, *exception: object) -> None:
        self.process.terminate()
        self.process.wait(15)


def _blob(folder: Path, size: int) -> tuple[Path, str]:
    """A stored document of random bytes."""
    part = folder / "part"
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with part.open("wb") as file:
        for _ in range(size // 2**20):
            piece = os.urandom(2**20)
            digest.update(piece)
            file.write(piece)
    sha256 = digest.hexdigest()
    place = folder / sha256[:2] / sha256
    for old in folder.glob("??/*"):
        old.unlink()
    place.parent.mkdir(exist_ok=True)
    part.replace(place)
    return place, sha256


def _curl(url: str, blob: Path, sha256: str, size: int) -> float:
    about = json.dumps(
        {"key": "1:x", "sha256": sha256, "size": size, "filename": "x", "title": "x", "type": "",
         "content_type": "application/octet-stream", "tags": [], "owner": "1", "created_at": "2026-01-01T00:00:00Z"}
    )  # fmt: skip
    command = [
        *("curl", "-sS", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code} %{time_total}", "-H", "Expect:"),
        *("-H", "Idempotency-Key: 1:x", "-F", f"document={about};type=application/json", "-F", f"file=@{blob}"),
        f"{url}/documents",
    ]
    said = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    found = re.fullmatch(r"201 ([\d.]+)", said.stdout.strip())
    if found is None:
        raise Failed(f"curl: {said.stdout} {said.stderr}")
    return float(found[1])


def _ours(url: str, folder: Path, sha256: str, size: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.km", url, str(folder), sha256, str(size)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if said.returncode:
        raise Failed(f"HttpKM: {said.stderr[-500:]}")
    found: dict[str, float] = json.loads(said.stdout.splitlines()[-1])
    return found


def child(url: str, folder: str, sha256: str, size: int) -> dict[str, float]:
    """One send, in a process of its own: seconds, and by how many MiB its resident set grew."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    import django
    from django.conf import settings

    django.setup()
    backend = settings.STORAGES["documents"]
    settings.STORAGES = {**settings.STORAGES, "documents": {**backend, "OPTIONS": {"location": folder}}}
    settings.INGESTION = {"KM": "ingestion.km.http.HttpKM", "KM_URL": url, "DISK_RESERVE_BYTES": 0}
    from ingestion import storage
    from ingestion.km import KMDocument, get_store

    store = get_store()
    document = KMDocument(
        id=1, owner_id=1, title="x", filename="x", content_type="application/octet-stream", size=size, sha256=sha256,
        storage_key=storage.key_for(sha256), created_at=datetime.now(UTC),
    )  # fmt: skip
    assert store.health().ok
    assert store.exists([document]) == {}
    before, most, done = _rss(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            most[0] = max(most[0], _rss())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    store.put(document)
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    return {"seconds": seconds, "growth_mib": max(most[0], _rss()) - before}


def _rss() -> float:
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    print(json.dumps(child(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))))
