"""w1 and w2: enqueuing one by one (one writer, four writers) and in bulk, through each peer's public API."""

from __future__ import annotations

from typing import Any

from bench.measure import Barrier, Failed, Speaker
from bench.peers import BY_NAME, VARIANTS
from bench.run import Run

WRITERS = 4
KEYED = VARIANTS[1].label


def single(run: Run) -> None:
    """w1."""
    for peer in run.turns(run.peers):
        with run.results.row("w1", peer.label):
            if run.results.broken("w1", peer.label):
                continue
            count = run.size(peer.single)
            alone = _writers(run.speaker(peer), 1, count)
            four = _writers(run.speaker(peer), WRITERS, count)
            seconds = (max(w["last_ns"] for w in four) - min(w["first_ns"] for w in four)) / 1e9
            figures = {name: alone[0][name] for name in ("rate", "p50_ms", "p99_ms")}
            run.say("w1", peer.label, **figures, four_writers=WRITERS * count / seconds)


def _writers(speaker: Speaker, writers: int, count: int) -> list[dict[str, Any]]:
    barrier = Barrier()
    processes = [speaker.start("enqueue-one", str(count), BENCH_GO=str(barrier.path)) for _ in range(writers)]
    try:
        barrier.release(processes)
    except Failed as error:
        for process in processes:
            process.kill()
        raise Failed(f"{error}: {speaker.last_words()}") from error
    return [speaker.answer(process) for process in processes]


def bulk(run: Run) -> None:
    """w2."""
    for peer in run.turns(run.peers):
        with run.results.row("w2", peer.label):
            if run.results.broken("w2", peer.label):
                continue
            answer = run.speaker(peer).ask("enqueue-bulk", run.size(peer.bulk))
            run.say("w2", peer.label, rate=answer["rate"])
            if answer.get("bulk_api") is False:
                run.results.notes[f"w2 {peer.label}"] = "no bulk call: one by one in one transaction"
        if peer is BY_NAME["docqueue"] and not run.results.broken("w2", KEYED):
            with run.results.row("w2", KEYED):
                answer = run.speaker(peer).ask("enqueue-bulk", run.size(peer.bulk // 2), "keyed")
                run.say("w2", KEYED, rate=answer["rate"])
