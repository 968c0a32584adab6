"""The sample documents: sent through the real endpoint, followed to their end, compared with what is expected."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.api_client import ApiClient
from config.paths import BASE_DIR

ARCHIVE = BASE_DIR / "samples" / "samples.zip"
EXPECTED = BASE_DIR / "samples" / "expected.json"
ENDINGS = ("completed", "failed", "duplicate", "skipped", "cancelled")
HEADINGS = ("file", "stage", "outcome", "seconds", "reason")


@dataclass(frozen=True, kw_only=True)
class Expected:
    """samples/expected.json: how each file of the archive may end, pairs of equal files, and a search to try."""

    files: dict[str, dict[str, Any]]
    pairs: list[tuple[str, str]]
    words: str
    finds: str

    @classmethod
    def read(cls, file: Path = EXPECTED) -> Expected:
        said = json.loads(file.read_text())
        pairs = [(a, b) for a, b in said["pairs"]]
        return cls(files=said["files"], pairs=pairs, words=said["search"]["q"], finds=said["search"]["finds"])


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
        done = sum(state[f"files_{ending}"] for ending in ENDINGS)
        line = f"{state['percent'] or 0:3.0f} %  {done} of {state['files_total']} files  {state['state']}"
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


def table(rows: list[dict[str, Any]], width: int | None = None) -> str:
    """The files as text in columns; a reason that is too long for the terminal goes on below itself."""
    width = width or shutil.get_terminal_size((100, 24)).columns
    cells = [_cells(row) for row in rows]
    widths = [max(len(line[i]) for line in [HEADINGS, *cells]) for i in range(len(HEADINGS) - 1)]
    before = sum(widths) + 2 * len(widths)
    lines = [_line(HEADINGS, widths), "-" * (before + len(HEADINGS[-1]))]
    for line in cells:
        reason = textwrap.wrap(line[-1], max(30, width - before)) or [""]
        lines.append(_line((*line[:-1], reason[0]), widths))
        lines += [" " * before + rest for rest in reason[1:]]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join([*(cell.ljust(w) for cell, w in zip(cells, widths, strict=False)), cells[-1]]).rstrip()


def _cells(row: dict[str, Any]) -> tuple[str, str, str, str, str]:
    seconds = row.get("seconds")
    reason = ": ".join(part for part in (row.get("error_code"), row.get("error_message")) if part)
    took = "" if seconds is None else f"{seconds:.1f}"
    return str(row["source_path"]), str(row["stage"]), str(row["outcome"] or ""), took, reason


def differences(expected: Expected, rows: list[dict[str, Any]]) -> list[str]:
    """What is not as expected.json says, one sentence each; empty when all is."""
    found = {row["source_path"]: row for row in rows}
    wrong = [f"{path}: not expected at all" for path in found.keys() - expected.files.keys()]
    for path, wanted in expected.files.items():
        row = found.get(path, {})
        outcomes = wanted.get("outcome_any") or [wanted["outcome"]]
        if row.get("outcome") not in outcomes or row.get("error_code") != wanted["code"]:
            got = ", ".join(str(row[key]) for key in ("outcome", "error_code") if row.get(key)) or "nothing"
            code = f", {wanted['code']}" if wanted["code"] else ""
            wrong.append(f"{path}: expected {' or '.join(outcomes)}{code}; got {got}")
    for pair in expected.pairs:
        outcomes = sorted(str(found.get(path, {}).get("outcome")) for path in pair)
        if outcomes != ["completed", "duplicate"]:
            wrong.append(f"{' and '.join(pair)} are equal: one should be completed and one duplicate, not {outcomes}")
    return wrong
