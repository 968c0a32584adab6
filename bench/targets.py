"""What docqueue must reach, each target with what was measured: ok, MISSED, or not measured in this run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench import desk, ingest, km, resumable, s3
from bench.fairness import FAST, SLOW
from bench.history import RETENTION
from bench.keys import HOT
from bench.peers import BY_NAME, VARIANTS
from bench.pickup import POLLING
from bench.results import Results
from bench.search import NEVER_WRITTEN

OWN, FLOOR = BY_NAME["docqueue"].label, BY_NAME["floor"].label
KEYED, EXECUTORS = VARIANTS[1].label, VARIANTS[2].label
PEERS = {peer.label for peer in BY_NAME.values()} - {OWN, FLOOR}

Measure = Callable[[Results], float | None]


@dataclass(frozen=True, kw_only=True)
class Target:
    """`needs`: peer (name) without which it can not be judged; "peers" means any."""

    text: str
    workload: str
    measure: Measure
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    needs: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A target and what became of it."""

    target: Target
    measured: float | None
    detail: str = ""

    @property
    def missed(self) -> bool:
        """Whether it was measured (or should have been: its row failed) and is not reached."""
        if self.detail == "not measured":
            return False
        if self.measured is None:
            return True
        low, high = self.target.at_least, self.target.at_most
        return (low is not None and self.measured < low) or (high is not None and self.measured > high)

    @property
    def word(self) -> str:
        """As the list shows it."""
        return "MISSED" if self.missed else "ok" if self.measured is not None else "–"


def _value(workload: str, row: str, metric: str) -> Measure:
    return lambda results: results.median(workload, row, metric)


def _ratio(over: Measure, under: Measure) -> Measure:
    def measure(results: Results) -> float | None:
        a, b = over(results), under(results)
        return None if a is None or not b else a / b

    return measure


def best_peer(workload: str, metric: str) -> Measure:
    """The fastest peer's median (the floor is none)."""

    def measure(results: Results) -> float | None:
        found = results.best(workload, metric, PEERS.__contains__)
        return found[1] if found else None

    return measure


def _drain(row: str, workers: int) -> Measure:
    return _value("w3", row, f"workers_{workers}")


TARGETS = (
    *(
        target
        for n, words in ((1, "one worker"), (4, "four workers"))
        for target in (
            Target(
                text=f"drain, {words} ÷ fastest peer",
                workload="w3",
                at_least=1.0,
                needs="peers",
                measure=_ratio(_drain(OWN, n), best_peer("w3", f"workers_{n}")),
            ),
            Target(
                text=f"drain, {words} ÷ floor",
                workload="w3",
                at_least=0.7,
                needs="floor",
                measure=_ratio(_drain(OWN, n), _drain(FLOOR, n)),
            ),
        )
    ),
    Target(
        text="drain, ten workers ÷ four", workload="w3", at_least=1.0, measure=_ratio(_drain(OWN, 10), _drain(OWN, 4))
    ),
    Target(
        text="drain, executors (--processes 2)", workload="w3", at_least=10_000, unit="/s", measure=_drain(EXECUTORS, 1)
    ),
    Target(
        text="drain, a document each ÷ without",
        workload="w3",
        at_least=0.5,
        measure=_ratio(_drain(KEYED, 1), _drain(OWN, 1)),
    ),
    Target(text="enqueue one by one", workload="w1", at_least=1_900, unit="/s", measure=_value("w1", OWN, "rate")),
    Target(text="enqueue one by one, p99", workload="w1", at_most=2.0, unit="ms", measure=_value("w1", OWN, "p99_ms")),
    Target(
        text="enqueue, four writers ÷ fastest peer",
        workload="w1",
        at_least=1.0,
        needs="peers",
        measure=_ratio(_value("w1", OWN, "four_writers"), best_peer("w1", "four_writers")),
    ),
    Target(text="enqueue_many", workload="w2", at_least=150_000, unit="/s", measure=_value("w2", OWN, "rate")),
    Target(
        text="enqueue_many, a document each",
        workload="w2",
        at_least=30_000,
        unit="/s",
        measure=_value("w2", KEYED, "rate"),
    ),
    Target(text="pick-up, p50", workload="w4", at_most=1.5, unit="ms", measure=_value("w4", OWN, "p50_ms")),
    Target(text="pick-up, p99", workload="w4", at_most=10, unit="ms", measure=_value("w4", OWN, "p99_ms")),
    Target(
        text="pick-up by polling alone, p99",
        workload="w4",
        at_most=100,
        unit="ms",
        measure=_value("w4", POLLING, "p99_ms"),
    ),
    Target(
        text="CPU of an idle worker that polls",
        workload="w4",
        at_most=1.0,
        unit="%",
        measure=_value("w4", POLLING, "idle_cpu_percent"),
    ),
    Target(
        text="drain with 10 M finished, 1 M waiting, 0.2 M dead ÷ empty",
        workload="w5",
        at_least=0.95,
        measure=_value("w5", OWN, "ratio"),
    ),
    Target(
        text="retention: drop a partition",
        workload="w5",
        at_most=1.0,
        unit="s",
        measure=_value("w5", RETENTION, "drop_s"),
    ),
    Target(
        text="retention beside a reader waits its turn",
        workload="w5",
        at_most=1.0,
        unit="s",
        measure=_value("w5", RETENTION, "drop_beside_reader_s"),
    ),
    Target(
        text="drain during retention ÷ drain without",
        workload="w5",
        at_least=0.9,
        measure=_ratio(_value("w5", RETENTION, "rate"), _value("w5", OWN, "aged_rate")),
    ),
    Target(text="one hot ordering key", workload="w9", at_least=500, unit="/s", measure=_value("w9", HOT, "rate")),
    Target(text="held snapshot: last ÷ first fifth", workload="w6", at_least=0.9, measure=_value("w6", OWN, "ratio")),
    Target(
        text="held snapshot: claim p99, last ÷ first fifth",
        workload="w6",
        at_most=2.0,
        measure=_value("w6", OWN, "claim_ratio"),
    ),
    Target(
        text="memory: growth of a worker",
        workload="w7",
        at_most=5.0,
        unit="%",
        measure=_value("w7", OWN, "growth_percent"),
    ),
    Target(
        text="memory: idle supervisor, PSS",
        workload="w7",
        at_most=60,
        unit="MiB",
        measure=_value("w7", "docqueue, idle supervisor", "pss_mib"),
    ),
    Target(
        text="10 workers, items of 2 s: makespan ÷ ideal",
        workload="w8",
        at_most=1.1,
        measure=_value("w8", SLOW, "ratio"),
    ),
    # The slow queue may take its half of the two processes, not more.
    Target(
        text="fast queue beside a slow one ÷ alone", workload="w8", at_most=2.5, measure=_value("w8", FAST, "ratio")
    ),
    Target(
        text="fast queue: wait for a process that is at an item of 2 s",
        workload="w8",
        at_most=2.1,
        unit="s",
        measure=_value("w8", FAST, "wait_s"),
    ),
    Target(
        text="soak: largest wait beyond an item's turn",
        workload="soak",
        at_most=5.0,
        unit="s",
        measure=_value("soak", EXECUTORS, "largest_wait_s"),
    ),
    Target(
        text="ingestion: resident set of the largest process with a zip of 2 GiB",
        workload="ingest",
        at_most=300,
        unit="MiB",
        measure=_value("ingest", ingest.BIG, "rss_mib"),
    ),
    Target(
        text="ingestion: unzip and hash ÷ unzip -p | sha256sum",
        workload="ingest",
        at_least=0.6,
        measure=_value("ingest", ingest.UNZIP, "ratio"),
    ),
    Target(
        text="ingestion: 10,000 small files",
        workload="ingest",
        at_least=150,
        unit="/s",
        measure=_value("ingest", ingest.SMALL, "rate"),
    ),
    Target(
        text="ingestion: PDF text ÷ bare pypdfium2",
        workload="ingest",
        at_least=0.8,
        measure=_value("ingest", ingest.PDFS, "ratio"),
    ),
    Target(
        text="ingestion: time per file, the 100,000th ÷ the 1,000th",
        workload="ingest",
        at_most=1.1,
        measure=_value("ingest", ingest.HISTORY, "time_ratio"),
    ),
    Target(
        text="a resumable upload of 2 GiB ÷ curl -T to a plain server",
        workload="resumable",
        at_least=0.6,
        measure=_value("resumable", resumable.ROW, "ratio"),
    ),
    Target(
        text="resident set of the largest web process with it",
        workload="resumable",
        at_most=150,
        unit="MB",
        measure=_value("resumable", resumable.ROW, "rss_mb"),
    ),
    Target(
        text="knowledge store: HttpKM sends a file of 1 GiB ÷ curl",
        workload="km",
        at_least=0.7,
        measure=_value("km", km.ROW, "ratio"),
    ),
    Target(
        text="knowledge store: growth of the sending process",
        workload="km",
        at_most=60,
        unit="MiB",
        measure=_value("km", km.ROW, "growth_mib"),
    ),
    Target(
        text="operator's desk on a full queue: p95 of the slowest page",
        workload="desk",
        at_most=300,
        unit="ms",
        measure=_value("desk", desk.PAGES, "p95_ms"),
    ),
    Target(
        text="fifty viewers of the overview: reads of the queue",
        workload="desk",
        at_most=1,
        unit="sets of queries/s",
        measure=_value("desk", desk.VIEWERS, "query_sets_per_second"),
    ),
    Target(
        text="requeue of all dead letters: the request",
        workload="desk",
        at_most=300,
        unit="ms",
        measure=_value("desk", desk.REQUEUE, "request_ms"),
    ),
    Target(
        text="requeue of all dead letters: items behind it",
        workload="desk",
        at_least=5000,
        unit="/s",
        measure=_value("desk", desk.REQUEUE, "requeued_rate"),
    ),
    Target(
        text="requeue of all dead letters: claims meanwhile ÷ before",
        workload="desk",
        at_least=0.9,
        measure=_value("desk", desk.REQUEUE, "ratio"),
    ),
    Target(
        text="search over 1,000,000 chunks: p95 of the slowest kind of query",
        workload="search",
        at_most=100,
        unit="ms",
        measure=lambda results: max(
            (max(found["p95_ms"]) for row, found in results.values["search"].items() if NEVER_WRITTEN not in row),
            default=None,
        ),
    ),
    *(
        target
        for row in (s3.PUT, s3.GET)
        for target in (
            Target(text=f"S3: {row} ÷ boto3's own", workload="s3", at_least=0.7, measure=_value("s3", row, "ratio")),
            Target(
                text=f"S3: {row}, memory above that of a sixteenth of it",
                workload="s3",
                at_most=32,
                unit="MiB",
                measure=_value("s3", row, "growth_mib"),
            ),
        )
    ),
)


def judge(results: Results) -> list[Verdict]:
    """Each target's verdict."""
    return [_judge(target, results) for target in TARGETS]


def _judge(target: Target, results: Results) -> Verdict:
    ran = target.workload in results.values or any(f["workload"] == target.workload for f in results.failed)
    others = set(results.versions) - {"docqueue", "floor"}
    lacks = (target.needs == "peers" and not others) or (target.needs == "floor" and "floor" not in results.versions)
    if not ran or lacks or "docqueue" not in results.versions:
        return Verdict(target=target, measured=None, detail="not measured")
    measured = target.measure(results)
    return Verdict(target=target, measured=measured, detail="" if measured is not None else "failed")
