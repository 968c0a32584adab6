"""What the queue alone must reach."""

from __future__ import annotations

from bench.fairness import FAST, SLOW
from bench.history import RETENTION
from bench.keys import HOT
from bench.peers import VARIANTS
from bench.pickup import POLLING
from bench.target import FLOOR, OWN, Measure, Target, best_peer, ratio, value

KEYED, EXECUTORS = VARIANTS[1].label, VARIANTS[2].label


def _drain(row: str, workers: int) -> Measure:
    return value("w3", row, f"workers_{workers}")


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
                measure=ratio(_drain(OWN, n), best_peer("w3", f"workers_{n}")),
            ),
            Target(
                text=f"drain, {words} ÷ floor",
                workload="w3",
                at_least=0.7,
                needs="floor",
                measure=ratio(_drain(OWN, n), _drain(FLOOR, n)),
            ),
        )
    ),
    Target(
        text="drain, ten workers ÷ four", workload="w3", at_least=1.0, measure=ratio(_drain(OWN, 10), _drain(OWN, 4))
    ),
    Target(
        text="drain, executors (--processes 2)", workload="w3", at_least=10_000, unit="/s", measure=_drain(EXECUTORS, 1)
    ),
    Target(
        text="drain, a document each ÷ without",
        workload="w3",
        at_least=0.5,
        measure=ratio(_drain(KEYED, 1), _drain(OWN, 1)),
    ),
    Target(text="enqueue one by one", workload="w1", at_least=1_900, unit="/s", measure=value("w1", OWN, "rate")),
    Target(text="enqueue one by one, p99", workload="w1", at_most=2.0, unit="ms", measure=value("w1", OWN, "p99_ms")),
    Target(
        text="enqueue, four writers ÷ fastest peer",
        workload="w1",
        at_least=1.0,
        needs="peers",
        measure=ratio(value("w1", OWN, "four_writers"), best_peer("w1", "four_writers")),
    ),
    Target(text="enqueue_many", workload="w2", at_least=150_000, unit="/s", measure=value("w2", OWN, "rate")),
    Target(
        text="enqueue_many, a document each",
        workload="w2",
        at_least=30_000,
        unit="/s",
        measure=value("w2", KEYED, "rate"),
    ),
    Target(text="pick-up, p50", workload="w4", at_most=1.5, unit="ms", measure=value("w4", OWN, "p50_ms")),
    Target(text="pick-up, p99", workload="w4", at_most=10, unit="ms", measure=value("w4", OWN, "p99_ms")),
    Target(
        text="pick-up by polling alone, p99",
        workload="w4",
        at_most=100,
        unit="ms",
        measure=value("w4", POLLING, "p99_ms"),
    ),
    Target(
        text="CPU of an idle worker that polls",
        workload="w4",
        at_most=1.0,
        unit="%",
        measure=value("w4", POLLING, "idle_cpu_percent"),
    ),
    Target(
        text="drain with 10 M finished, 1 M waiting, 0.2 M dead ÷ empty",
        workload="w5",
        at_least=0.95,
        measure=value("w5", OWN, "ratio"),
    ),
    Target(
        text="retention: drop a partition",
        workload="w5",
        at_most=1.0,
        unit="s",
        measure=value("w5", RETENTION, "drop_s"),
    ),
    Target(
        text="retention beside a reader waits its turn",
        workload="w5",
        at_most=1.0,
        unit="s",
        measure=value("w5", RETENTION, "drop_beside_reader_s"),
    ),
    Target(
        text="drain during retention ÷ drain without",
        workload="w5",
        at_least=0.9,
        measure=ratio(value("w5", RETENTION, "rate"), value("w5", OWN, "aged_rate")),
    ),
    Target(text="one hot ordering key", workload="w9", at_least=500, unit="/s", measure=value("w9", HOT, "rate")),
    Target(text="held snapshot: last ÷ first fifth", workload="w6", at_least=0.9, measure=value("w6", OWN, "ratio")),
    Target(
        text="held snapshot: claim p99, last ÷ first fifth",
        workload="w6",
        at_most=2.0,
        measure=value("w6", OWN, "claim_ratio"),
    ),
    Target(
        text="memory: growth of a worker",
        workload="w7",
        at_most=5.0,
        unit="%",
        measure=value("w7", OWN, "growth_percent"),
    ),
    Target(
        text="memory: idle supervisor, PSS",
        workload="w7",
        at_most=60,
        unit="MiB",
        measure=value("w7", "docqueue, idle supervisor", "pss_mib"),
    ),
    Target(
        text="10 workers, items of 2 s: makespan ÷ ideal",
        workload="w8",
        at_most=1.1,
        measure=value("w8", SLOW, "ratio"),
    ),
    # The slow queue may take its half of the two processes, not more.
    Target(text="fast queue beside a slow one ÷ alone", workload="w8", at_most=2.5, measure=value("w8", FAST, "ratio")),
    Target(
        text="fast queue: wait for a process that is at an item of 2 s",
        workload="w8",
        at_most=2.1,
        unit="s",
        measure=value("w8", FAST, "wait_s"),
    ),
    Target(
        text="soak: largest wait beyond an item's turn",
        workload="soak",
        at_most=5.0,
        unit="s",
        measure=value("soak", EXECUTORS, "largest_wait_s"),
    ),
)
