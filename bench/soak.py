"""The soak: a quarter of an hour of 2,000 items a second under a held snapshot, with retries, delays and late commits.

No item may wait much longer than its turn: from the moment it may start (its commit, the end of its delay, the end of
its retry's wait) to the start of its handler.
"""

from __future__ import annotations

import time

from bench.drivers import driving
from bench.measure import Failed, Workers, end, percentile
from bench.peers import BY_NAME
from bench.run import Run
from bench.server import bench_dir

RATE = 2_000
SLACK_SECONDS = 60.0
ROW = "docqueue, executors (--processes 2)"


def measure(run: Run) -> None:
    """The soak; `--minutes` says how long."""
    if not run.there("docqueue"):
        return
    with run.results.row("soak", ROW):
        run.say("soak", ROW, **once(run))


def once(run: Run) -> dict[str, float]:
    """The largest wait beyond an item's turn and how it grew, in seconds."""
    speaker = run.speaker(BY_NAME["docqueue"])
    size = int(RATE * run.minutes * 60)
    folder = bench_dir() / "run"
    folder.mkdir(exist_ok=True)
    files = {"BENCH_STARTS": folder / "starts", "BENCH_DUE": folder / "due"}
    for file in files.values():
        file.unlink(missing_ok=True)
    starts, due = driving.shared(files["BENCH_STARTS"], size), driving.shared(files["BENCH_DUE"], size)
    env = {name: str(file) for name, file in files.items()}
    run.settle(speaker)
    with run.server.connect(speaker.env["PGDATABASE"]) as holder:
        holder.execute("begin isolation level repeatable read")
        holder.execute("select count(*) from pg_class")
        with Workers(speaker=speaker, count=1, arguments=("--processes", "2"), env=env, slots=2) as crew:
            feeder = speaker.start("soak", str(float(run.minutes)), str(RATE), **env)
            try:
                sent = speaker.answer(feeder, run.minutes * 60 + SLACK_SECONDS)["sent"]
            finally:
                end(feeder, 1)
            deadline = time.monotonic() + SLACK_SECONDS
            while crew.total() < sent and time.monotonic() < deadline:
                crew.check()
                time.sleep(0.1)
        holder.execute("rollback")
    missing = sum(1 for n in range(sent) if starts[n] == 0)
    if missing:
        raise Failed(f"{missing:,} of {sent:,} items did not run within {SLACK_SECONDS:.0f} s of the end")
    waits = [(starts[n] - due[n]) / 1e9 for n in range(sent)]
    return {
        "minutes": run.minutes,
        "items": sent,
        "largest_wait_s": max(waits),
        "p50_s": percentile(waits, 0.5),
        "p99_s": percentile(waits, 0.99),
        "largest_wait_last_fifth_s": max(waits[-(sent // 5) :]),
    }
