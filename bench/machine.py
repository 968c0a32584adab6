"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import django
from django.db import connection


def describe() -> str:
    """One line: date, cores, memory, Python, Django, PostgreSQL and its durability."""
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1_048_576
    with connection.cursor() as cursor:
        cursor.execute(
            "select current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')"
        )
        version, fsync, commit = cursor.fetchone()
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores shared by client and server, {memory} GiB,"
        f" Python {platform.python_version()}, Django {django.__version__},"
        f" PostgreSQL {version} (fsync {fsync}, synchronous_commit {commit})"
    )


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Median (min–max)."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"
