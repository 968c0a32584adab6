"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FSYNCS = 300


def describe(server: dict[str, str], folder: Path) -> dict[str, Any]:
    """Cores, memory, kernel, disk, Python, and the server's version and settings."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return {
        "cores": os.cpu_count(),
        "cpu": next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown"),
        "memory_gib": round(int(Path("/proc/meminfo").read_text().split()[1]) / 1_048_576),
        "kernel": platform.release(),
        "fdatasync_8kb_ms": round(_fdatasync(folder), 3),
        "python": platform.python_version(),
        "postgresql": server,
    }


def one_line(machine: dict[str, Any], date: str) -> str:
    """The same for the head of a table."""
    server = machine["postgresql"]
    return (
        f"{date}: {machine['cores']} cores ({machine['cpu']}) shared by client and server, {machine['memory_gib']} GiB,"
        f" fdatasync of 8 kB {machine['fdatasync_8kb_ms']:.2f} ms; Python {machine['python']}; PostgreSQL"
        f" {server['server_version'].split()[0]} on a Unix socket, fsync {server['fsync']}, synchronous_commit"
        f" {server['synchronous_commit']}, full_page_writes {server['full_page_writes']}, shared_buffers"
        f" {server['shared_buffers']}, max_wal_size {server['max_wal_size']}, min_wal_size {server['min_wal_size']}"
    )


def _fdatasync(folder: Path) -> float:
    """How long the disk takes to keep 8 kB, in ms (median)."""
    path = folder / "fdatasync"
    took = []
    with path.open("wb", buffering=0) as file:
        for _ in range(FSYNCS):
            started = time.perf_counter()
            file.write(b"x" * 8192)
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - started) * 1000)
    path.unlink()
    return statistics.median(took)


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Median (min–max); of a single value, that."""
    middle, low, high = statistics.median(values), min(values), max(values)
    if len(values) == 1:
        return f"{middle:,.{digits}f}"
    return f"{middle:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"
