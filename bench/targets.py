"""What docqueue must reach, each target with what was measured: ok, MISSED, or not measured in this run."""

from __future__ import annotations

from bench import targets_app, targets_queue
from bench.results import Results
from bench.target import Target, Verdict

TARGETS = (*targets_queue.TARGETS, *targets_app.TARGETS)


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
