"""S3: a file of 1 GiB into the bucket and out of it, beside boto3's own transfers, in flat memory.

Both talk to the same localbucket on loopback, in turns, each transfer in a fresh process. Ours does more: it sends a
SHA-256 with each part and compares what the server answers, and it hashes what it fetches. `stream` is the whole way
of an upload: a temporary file, hashed and looked at for room, then sent.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.measure import Failed
from bench.run import Run
from bench.server import bench_dir

GIB, MIB = 1024**3, 1024**2
PUT, GET, STREAM = "put 1 GiB", "get 1 GiB", "stream 1 GiB (put_stream)"
WAYS = {PUT: ("put", "boto-put"), GET: ("get", "boto-get"), STREAM: ("stream", "boto-put")}
BUCKET, NAME = "bench", f"ab/{'ab' * 32}"


def measure(run: Run) -> None:
    """The workload `s3`."""
    folder = bench_dir() / "s3"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    size = int(GIB * run.scale)
    try:
        file, small = _file(folder / "file", size), _file(folder / "small", size // 16)
        with _server(folder / "buckets") as endpoint:
            for row, (own, theirs) in WAYS.items():
                with run.results.row("s3", row):
                    for _ in range(run.rounds):
                        ours, boto = _transfer(own, endpoint, file), _transfer(theirs, endpoint, file)
                        run.say(
                            "s3",
                            row,
                            rate=size / MIB / ours["seconds"],
                            boto3_rate=size / MIB / boto["seconds"],
                            ratio=boto["seconds"] / ours["seconds"],
                            rss_mib=ours["rss_mib"],
                            boto3_rss_mib=boto["rss_mib"],
                            growth_mib=ours["rss_mib"] - _transfer(own, endpoint, small)["rss_mib"],
                        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _file(path: Path, size: int) -> Path:
    noise = random.Random(1)
    with path.open("wb") as file:
        for at in range(0, size, MIB):
            file.write(noise.randbytes(min(MIB, size - at)))
    return path


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    (folder / BUCKET).mkdir(parents=True)  # what localbucket calls a bucket
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("localbucket")), "--port", str(port), str(folder)]
    with (bench_dir() / "logs" / "localbucket.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise Failed("localbucket does not answer") from None
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(15)


def _transfer(way: str, endpoint: str, file: Path) -> dict[str, float]:
    """Seconds and peak memory of one transfer, in a process of its own, with nothing of earlier ones left to write."""
    os.sync()
    env = os.environ | {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
    command = [sys.executable, "-m", "bench.s3", way, endpoint, str(file)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(done.stderr[-400:])
    return dict(json.loads(done.stdout))


def _alone(way: str, endpoint: str, file: Path) -> None:
    """One transfer; prints what it took."""
    from django.conf import settings

    options = {"bucket": BUCKET, "endpoint_url": endpoint, "region": "us-east-1", "addressing_style": "path"}
    entry = {"BACKEND": "ingestion.s3.S3Storage", "OPTIONS": options}
    settings.configure(STORAGES={"documents": entry}, FILE_UPLOAD_TEMP_DIR=str(file.parent), USE_TZ=True)
    from django.core.files.storage import storages

    backend: Any = storages["documents"]
    client, size, out = backend.client, file.stat().st_size, file.with_suffix(".out")
    if "put" in way:
        client.delete_object(Bucket=BUCKET, Key=NAME)
    elif "get" in way:
        client.upload_file(str(file), BUCKET, NAME)
    began = time.perf_counter()
    match way:
        case "put":
            backend.publish(NAME, file, size)
        case "boto-put":
            with file.open("rb") as source:
                client.upload_fileobj(source, BUCKET, NAME)
        case "get":
            out.touch()
            backend.download(NAME, out)
        case "boto-get":
            with out.open("wb") as target:
                client.download_fileobj(BUCKET, NAME, target)
        case "stream":
            from ingestion import storage

            with file.open("rb") as source:
                stored = storage.put_stream(iter(lambda: source.read(MIB), b""))
    seconds = time.perf_counter() - began
    if way == "stream":
        arrived = stored.size
        storage.delete(stored.key)
    else:
        arrived = out.stat().st_size if "get" in way else backend.size(NAME)
    if arrived != size:
        raise SystemExit(f"{arrived} of {size} bytes arrived")
    out.unlink(missing_ok=True)
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps({"seconds": seconds, "rss_mib": peak}))


if __name__ == "__main__":
    _alone(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
