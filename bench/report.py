"""The table: peers side by side with ratios, docqueue's own figures, the targets, what failed. Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench import machine
from bench.machine import spread
from bench.peers import BY_NAME, VARIANTS
from bench.results import Results, newest
from bench.target import FLOOR, OWN, PEERS, Verdict, best_peer

# Head, workload, metric, digits, whether it belongs in a ratio.
COLUMNS: tuple[tuple[str, str, str, int], ...] = (
    ("enqueue 1 by 1 /s", "w1", "rate", 0),
    ("p99 ms", "w1", "p99_ms", 2),
    ("4 writers /s", "w1", "four_writers", 0),
    ("bulk /s", "w2", "rate", 0),
    ("drain, 1 worker /s", "w3", "workers_1", 0),
    ("4 workers /s", "w3", "workers_4", 0),
    ("10 workers /s", "w3", "workers_10", 0),
    ("pick-up p50 ms", "w4", "p50_ms", 2),
    ("p99 ms", "w4", "p99_ms", 1),
    ("held snapshot, last ÷ first fifth", "w6", "ratio", 2),
)
OWN_WORKLOADS = {
    "w4": "idle",
    "w5": "history",
    "w6": "held snapshot",
    "w7": "memory",
    "w8": "fairness",
    "soak": "soak",
    "upload": "upload",
    "resumable": "resumable",
    "search": "search",
    "ingest": "ingestion",
    "s3": "S3",
    "km": "knowledge store",
    "desk": "operator's desk",
}
APART = ("soak", "upload", "resumable", "ingest", "search", "s3", "km", "desk")
"""Long, or of another kind than the rest: run only when they are named, and shown by their newest run."""
SHOWN_ABOVE = {("w4", "p50_ms"), ("w4", "p99_ms"), ("w6", "ratio")}


def table(results: Results, verdicts: Sequence[Verdict]) -> str:
    """Everything, as Markdown that is readable on a terminal too."""
    parts = [
        machine.one_line(results.machine, results.date),
        f"Median (min–max) of the rounds. {results.notes.get('seconds', '?')} s in all.",
        _peers(results),
        _own(results),
        _targets(verdicts),
        _failed(results),
        _versions(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _peers(results: Results) -> str:
    columns = [c for c in COLUMNS if c[1] in results.values]
    if not columns:
        return ""
    rows = []
    for label in dict.fromkeys(
        [*(v.label for v in VARIANTS), *(row for _, w, _, _ in columns for row in results.values[w])]
    ):
        cells = [_cell(results, label, workload, metric, digits) for _, workload, metric, digits in columns]
        if any(cells):
            rows.append([label, *cells])
    rows.append(["docqueue ÷ fastest peer", *(_ratio(results, w, m, best_peer(w, m)) for _, w, m, _ in columns)])
    rows.append(
        [
            "docqueue ÷ floor",
            *(_ratio(results, w, m, lambda r, w=w, m=m: r.median(w, FLOOR, m)) for _, w, m, _ in columns),
        ]
    )
    return markdown(["", *(head for head, *_ in columns)], rows)


def _cell(results: Results, label: str, workload: str, metric: str, digits: int) -> str:
    values = results.values.get(workload, {}).get(label, {}).get(metric)
    if values:
        return spread(values, digits)
    rows = {label, f"{label} × {metric.removeprefix('workers_')}"}
    installed = all(f["row"] != label or f["workload"] != "install" for f in results.failed)
    if not installed or any(f["workload"] == workload and f["row"] in rows for f in results.failed):
        return "failed"
    return ""


def _ratio(results: Results, workload: str, metric: str, under: Callable[[Results], float | None]) -> str:
    """docqueue's median over another; of latencies no ratio is shown, the fastest peer would be the slowest."""
    if metric.endswith("_ms") or metric == "ratio":
        return ""
    own, other = results.median(workload, OWN, metric), under(results)
    return f"{own / other:.2f}" if own and other else ""


def _own(results: Results) -> str:
    rows = []
    for workload, words in OWN_WORKLOADS.items():
        found, date = results.values.get(workload), ""
        if found is None and workload in APART:
            before = newest(workload)
            if before is not None:
                date, found = f" ({before[0]})", before[1]
        for row, metrics in (found or {}).items():
            if workload in ("w4", "w6") and row in PEERS | {FLOOR}:
                continue
            for metric, values in metrics.items():
                if (workload, metric) not in SHOWN_ABOVE:
                    digits = 0 if max(values) >= 100 else 2
                    rows.append([f"{words}{date}", row, metric.replace("_", " "), spread(values, digits)])
    return markdown(["workload", "row", "figure", "measured"], rows) if rows else ""


def _targets(verdicts: Sequence[Verdict]) -> str:
    rows = []
    for verdict in verdicts:
        target = verdict.target
        sign, bound = ("≥", target.at_least) if target.at_least is not None else ("≤", target.at_most)
        measured = verdict.detail if verdict.measured is None else f"{_number(verdict.measured)} {target.unit}".strip()
        rows.append([target.text, f"{sign} {bound:,g} {target.unit}".strip(), measured, verdict.word])
    return markdown(["target", "bound", "measured", ""], rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.2f}"


def _failed(results: Results) -> str:
    return "\n".join(f"FAILED {f['workload']}, {f['row']}: {f['reason']}" for f in results.failed)


def _versions(results: Results) -> str:
    said = [f"{BY_NAME[name].label}: {version}" for name, version in results.versions.items()]
    return "Versions: " + "; ".join(said) + "."


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[n]) for line in (head, *rows)) for n in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([line(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])
