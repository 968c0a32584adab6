"""The sample documents: sent through the real endpoint, followed to their end, compared with what is expected."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.api_client import ApiClient
from config.paths import BASE_DIR

ARCHIVE = BASE_DIR / "samples" / "samples.zip"
EXPECTED = BASE_DIR / "samples" / "expected.json"
HEADINGS = ("file", "stage", "outcome", "seconds", "reason")


@dataclass(frozen=True, kw_only=True)
class Expected:
    """samples/expected.json: the outcome of each path in the archive, and searches with the file each must find."""

    outcomes: dict[str, str]
    searches: dict[str, str]

    @classmethod
    def read(cls, file: Path = EXPECTED) -> Expected:
        said = json.loads(file.read_text())
        return cls(outcomes=said["outcomes"], searches=said["searches"])


def send(api: ApiClient) -> str:
    """Upload the samples; returns the intake's id."""
    answer = api.upload("/api/v1/documents", ARCHIVE)
    return str(answer["id"])


def follow(api: ApiClient, intake: str, *, seconds: float, stopped: Callable[[], bool] = lambda: False) -> Any:
    """Show the progress until the intake ends, `seconds` are over or `stopped` says so; returns its last state."""
    live = sys.stdout.isatty()
    deadline = time.monotonic() + seconds
    shown = ""
    while True:
        state = api.get(f"/api/v1/intakes/{intake}")
        done = sum(state.get(name) or 0 for name in ("files_completed", "files_failed"))
        words = state["message"] or state["stage"]
        line = f"{state['percent'] or 0:3.0f} %  {done} of {state['files_total']} files  {words}"
        if line != shown:
            print(f"\r\x1b[K  {line}" if live else f"  {line}", end="" if live else "\n", flush=True)
            shown = line
        if state["finished"] or stopped() or time.monotonic() > deadline:
            print(end="\n" if live else "", flush=True)
            return state
        time.sleep(0.3)


def files(api: ApiClient, intake: str) -> list[dict[str, Any]]:
    """Every file of the intake, in the archive's order."""
    found: list[dict[str, Any]] = []
    path = f"/api/v1/intakes/{intake}/files"
    while path:
        page = api.get(path)
        found += page["results"]
        path = page.get("next") or ""
        path = path[path.find("/api/") :] if path else ""
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """The files as text in columns."""
    lines = [HEADINGS, *[_cells(row) for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS) - 1)]
    text = ["  ".join([*(c.ljust(w) for c, w in zip(line, widths, strict=False)), line[-1]]).rstrip() for line in lines]
    return "\n".join([text[0], "-" * max(map(len, text)), *text[1:]])


def _cells(row: dict[str, Any]) -> tuple[str, str, str, str, str]:
    seconds = row.get("seconds")
    reason = ": ".join(part for part in (row.get("error_code"), row.get("error_message")) if part)
    took = "" if seconds is None else f"{seconds:.1f}"
    return str(row["source_path"]), str(row["stage"]), str(row["outcome"] or ""), took, reason


def differences(expected: Expected, rows: list[dict[str, Any]]) -> list[str]:
    """What is not as expected.json says, one sentence each; empty when all is."""
    found = {row["source_path"]: row["outcome"] for row in rows}
    wrong = [
        f"{path}: expected {outcome}, got {found.get(path) or 'nothing'}"
        for path, outcome in expected.outcomes.items()
        if found.get(path) != outcome
    ]
    return wrong + [f"{path}: not expected at all" for path in found.keys() - expected.outcomes.keys()]
