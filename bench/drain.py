"""w3: no-op items per second through one, four and ten workers.

The backlog is in place, statistics are fresh, a checkpoint is made. Every worker has imported all it needs before any
starts. The clock starts when each has run an item and ends with the last item's handler; their number is compared.
"""

from __future__ import annotations

from bench.measure import Workers
from bench.peers import BY_NAME, VARIANTS, Variant
from bench.run import Run

SECONDS = 120.0
ENOUGH_SECONDS = 5.0  # of draining, by the rounds before; a slow machine or a slow peer gets a smaller backlog


def measure(run: Run) -> None:
    """w3."""
    variants = [v for v in VARIANTS if run.there(v.peer)]
    most = max((workers for v in variants for workers in sizes(v)), default=0)
    for number in range(run.rounds):
        for workers in [n for n in (1, 4, 10) if n <= most]:
            for variant in variants:
                failed = run.results.broken("w3", f"{variant.label} × {workers}")
                if workers not in sizes(variant) or failed or number >= max(1, BY_NAME[variant.peer].rounds):
                    continue
                with run.results.row("w3", f"{variant.label} × {workers}"):
                    rate = once(run, variant, workers)
                    run.say("w3", variant.label, **{f"workers_{workers}": rate})


def sizes(variant: Variant) -> dict[int, int]:
    """Items by number of workers."""
    return dict(variant.drain or BY_NAME[variant.peer].drain)


def once(run: Run, variant: Variant, workers: int) -> float:
    """One drain; items per second. Raises `Failed`."""
    speaker = run.speaker(BY_NAME[variant.peer])
    count = run.size(sizes(variant)[workers])
    known = run.results.median("w3", variant.label, f"workers_{workers}")
    if known is not None:
        count = min(count, max(count // 8, int(known * ENOUGH_SECONDS)))
    speaker.ask("fill", count, *variant.fill)
    run.settle(speaker)
    with Workers(speaker=speaker, count=workers, arguments=variant.work, slots=variant.slots) as crew:
        return crew.drain(count, SECONDS)
