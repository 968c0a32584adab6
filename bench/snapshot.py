"""w6: a steady flow of items while another connection holds a REPEATABLE READ snapshot, so nothing can be vacuumed.

A feeder keeps some 2,000 to 4,000 items waiting. The rate of the last fifth is compared with that of the first; for
docqueue also how long its claims take, as the server logs them.
"""

from __future__ import annotations

import re
import time

from bench.measure import Failed, Speaker, Workers, end, percentile
from bench.peers import BY_NAME, Peer
from bench.run import Run

SECONDS = 120.0  # what has passed by then is what is compared
SAMPLE_SECONDS = 0.01
FIFTH = 0.2
START = 0.01  # of the items: the worker is up to speed
LOGGED_SHARE = 0.25  # of the statements
CLAIM = re.compile(r"skip locked", re.IGNORECASE)
DURATION = re.compile(r"duration: ([\d.]+) ms  (?:execute|statement)")  # not the parsing before


def measure(run: Run) -> None:
    """w6: one round, it is long."""
    for peer in run.peers:
        if peer.steady and run.there(peer.name):
            with run.results.row("w6", peer.label):
                run.say("w6", peer.label, **once(run, peer))


def once(run: Run, peer: Peer) -> dict[str, float]:
    """Rates of the first and the last fifth and their ratio."""
    speaker = run.speaker(peer)
    count = run.size(peer.steady)
    watched = peer is BY_NAME["docqueue"]
    database = speaker.env["PGDATABASE"]
    if watched:
        _log_statements(run, database)
    arguments = ("--in-process",) if watched else ()
    run.settle(speaker)
    with run.server.connect(database) as holder:
        holder.execute("begin isolation level repeatable read")
        holder.execute("select count(*) from pg_class")
        log_from = run.server.place.log.stat().st_size
        with Workers(speaker=speaker, count=1, arguments=arguments) as crew:
            samples = _flow(run, speaker, crew, count)
        holder.execute("rollback")
    count = min(count, samples[-1][1])
    first, last = _rate(samples, START * count, FIFTH * count), _rate(samples, (1 - FIFTH) * count, count)
    found = {"items": count, "first_rate": first, "last_rate": last, "ratio": last / first}
    if watched:
        with run.server.place.log.open("rb") as log:
            log.seek(log_from)
            found |= claim_times(log.read().decode(errors="replace"), database)
    return found


def _flow(run: Run, speaker: Speaker, crew: Workers, count: int) -> list[tuple[float, int]]:
    """Let `count` items pass; (time, items so far)."""
    feeder = speaker.start("feed", str(count), BENCH_COUNTER=str(crew.folder))
    samples: list[tuple[float, int]] = []
    deadline = time.monotonic() + min(SECONDS, max(20.0, run.left()))
    try:
        while not samples or samples[-1][1] < count:
            samples.append((time.monotonic(), crew.total()))
            if feeder.poll():
                raise Failed(f"the feeder ended: {speaker.last_words()}")
            if time.monotonic() > deadline:
                break
            crew.check()
            time.sleep(SAMPLE_SECONDS)
    finally:
        end(feeder, 1)
    return samples


def _rate(samples: list[tuple[float, int]], low: float, high: float) -> float:
    began = next(s for s in samples if s[1] >= low)
    ended = next(s for s in samples if s[1] >= high)
    return (ended[1] - began[1]) / max(ended[0] - began[0], 1e-9)


def _log_statements(run: Run, database: str) -> None:
    """Have the server log a share of this database's statements with their durations."""
    settings = {
        "log_min_duration_sample": "0",
        "log_statement_sample_rate": str(LOGGED_SHARE),
        "log_parameter_max_length": "0",
    }
    with run.server.connect() as connection:
        for name, value in settings.items():
            connection.execute(f"alter database \"{database}\" set {name} = '{value}'")


def claim_times(log: str, database: str) -> dict[str, float]:
    """p99 of the claims' durations in the first and the last fifth of what was logged; nothing when too little was."""
    took: list[float] = []
    for entry in re.split(r"\n(?=\d{4}-\d\d-\d\d )", log):
        duration = DURATION.search(entry)
        if duration and f" {database} " in entry and CLAIM.search(entry):
            took.append(float(duration[1]))
    fifth = len(took) // 5
    if fifth < 20:
        return {}
    first, last = percentile(took[:fifth], 0.99), percentile(took[-fifth:], 0.99)
    return {"claim_first_p99_ms": first, "claim_last_p99_ms": last, "claim_ratio": last / first}
