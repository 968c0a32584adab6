"""What a run measured: every single value, every failure with its reason. Written to bench/results/DATE.json."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "results"


@dataclass(kw_only=True)
class Results:
    """Values by workload, row and metric; one value a round."""

    date: str
    machine: dict[str, Any]
    versions: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    failed: list[dict[str, str]] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)

    def add(self, workload: str, row: str, **metrics: float) -> None:
        """Note this round's values."""
        for metric, value in metrics.items():
            self.values.setdefault(workload, {}).setdefault(row, {}).setdefault(metric, []).append(value)

    def fail(self, workload: str, row: str, reason: str) -> None:
        """Note that this row has no (more) value, and why."""
        print(f"    FAILED {row}: {reason}", flush=True)
        self.failed.append({"workload": workload, "row": row, "reason": reason})

    def broken(self, workload: str, row: str) -> bool:
        """Whether this row failed in this workload, so that further rounds are spared."""
        return any(f["workload"] == workload and f["row"] == row for f in self.failed)

    @contextmanager
    def row(self, workload: str, row: str) -> Iterator[None]:
        """Whatever goes wrong in here is a failed row, and the run goes on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a peer may fail in any way
            self.fail(workload, row, f"{type(error).__name__}: {error}"[:400])

    def median(self, workload: str, row: str, metric: str) -> float | None:
        """The median of the rounds; None when there is no value."""
        values = self.values.get(workload, {}).get(row, {}).get(metric)
        return statistics.median(values) if values else None

    def best(self, workload: str, metric: str, rows: Callable[[str], bool]) -> tuple[str, float] | None:
        """The row with the highest median among those that `rows` lets in."""
        found = [(row, self.median(workload, row, metric)) for row in self.values.get(workload, {}) if rows(row)]
        known = [(row, value) for row, value in found if value is not None]
        return max(known, key=lambda pair: pair[1]) if known else None

    def write(self) -> Path:
        """Write the file of the day. Workloads that this run left out are kept as they were, with their date."""
        FOLDER.mkdir(exist_ok=True)
        path = FOLDER / f"{self.date}.json"
        document = {
            "date": self.date, "machine": self.machine, "versions": self.versions, "notes": self.notes,
            "values": self.values, "failed": self.failed,
        }  # fmt: skip
        if path.exists():
            before = json.loads(path.read_text())
            document["values"] = before["values"] | self.values
            document["versions"] = before["versions"] | self.versions
            document["notes"] = before["notes"] | self.notes
            kept = [f for f in before["failed"] if f["workload"] not in self.values]
            document["failed"] = kept + [f for f in self.failed if f not in kept]
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        return path


def newest(workload: str) -> tuple[str, dict[str, dict[str, list[float]]]] | None:
    """Date and values of the last run of a workload that most runs leave out."""
    for path in sorted(FOLDER.glob("*.json"), reverse=True):
        document = json.loads(path.read_text())
        if workload in document["values"]:
            return document["date"], document["values"][workload]
    return None
