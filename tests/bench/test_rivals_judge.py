"""How `python -m bench.rivals` judges a ledger: hand-made ones, one thing each."""

from __future__ import annotations

from typing import Any

from bench.rivals.judge import Verdict, judge

Entry = dict[str, Any]


def enqueued(*, poison: bool = False) -> Entry:
    return {"e": "enqueued", "n": 1, "poison": poison}


def run(name: str, pid: int, start: float, end: float | None) -> list[Entry]:
    me = {"n": 1, "run": name, "pid": pid}
    begun = [{"e": "start", "t": start, "who": str(pid), **me}, {"e": "outside", "t": start, **me}]
    return begun if end is None else [*begun, {"e": "end", "t": end, **me}]


def strike(event: str, pid: int, t: float, phase: str = "handler") -> Entry:
    return {
        "e": event,
        "t": t,
        "pid_struck": pid,
        "n": 1,
        "phase": phase,
        "why": "stop" if event == "stop" else "worker",
    }


def final(state: str, effects: list[str], ends: list[str]) -> Entry:
    return {"e": "final", "n": 1, "state": state, "effects": effects, "ends": ends}


def late(verdict: Verdict) -> tuple[int, int, int, int, int]:
    return verdict.overtaken, verdict.accepted, verdict.refused, verdict.cut, verdict.late_effects


def test_an_item_that_ran_once_is_in_order() -> None:
    verdict = judge([enqueued(), *run("a", 7, 1.0, 2.0), final("ended", ["a"], ["7"])])
    assert verdict == Verdict(items=1, runs=1)


def test_an_item_that_the_queue_does_not_know_is_lost_and_one_without_an_end_is_stuck() -> None:
    assert judge([enqueued()]).lost == 1
    assert judge([enqueued(), final("open", [], [])]).stuck == 1
    assert judge([enqueued(), final("failed", [], [])]).failed == 1


def test_an_end_without_its_effect_is_seen() -> None:
    assert judge([enqueued(), final("ended", [], ["7"])]).missing == 1


def test_the_time_until_an_item_runs_again_counts_from_the_kill() -> None:
    verdict = judge(
        [
            enqueued(),
            *run("a", 7, 1.0, None),
            strike("kill", 7, 1.5),
            *run("b", 8, 3.5, 4.0),
            final("ended", ["b"], ["8"]),
        ]
    )
    assert verdict.again == {"worker": [2.0]}
    assert (verdict.repeated_outside, verdict.doubled, verdict.never_again) == (1, 0, 0)


def test_a_kill_behind_the_committed_end_needs_no_recovery_and_one_before_it_does() -> None:
    before = [enqueued(), *run("a", 7, 1.0, 2.0), strike("kill", 7, 2.1, "idle")]
    assert judge([*before, final("ended", ["a"], ["7"])]).never_again == 0
    assert judge([*before, final("open", ["a"], [])]).never_again == 1


def test_an_effect_whose_run_was_killed_before_its_end_is_doubled_by_the_next() -> None:
    story = [*run("a", 7, 1.0, None), strike("kill", 7, 1.5, "complete"), *run("b", 8, 3.0, 4.0)]
    assert judge([enqueued(), *story, final("ended", ["a", "b"], ["8"])]).doubled == 1


def test_what_a_late_run_counted_for() -> None:
    story = [enqueued(), *run("a", 7, 1.0, 4.0), strike("stop", 7, 1.5), *run("b", 8, 3.0, 5.0)]
    assert late(judge([*story, final("ended", ["a", "b"], ["7"])])) == (1, 1, 0, 0, 1)
    assert late(judge([*story, final("ended", ["a", "b"], ["8"])])) == (1, 0, 1, 0, 1)
    assert late(judge([*story, final("ended", ["b"], ["8"])])) == (1, 0, 1, 0, 0)


def test_a_late_run_that_its_own_worker_ends_is_cut_short() -> None:
    story = [enqueued(), *run("a", 7, 1.0, None), strike("stop", 7, 1.5), *run("b", 8, 3.0, 5.0)]
    assert late(judge([*story, final("ended", ["b"], ["8"])])) == (1, 0, 0, 1, 0)


def test_a_run_that_was_fetched_before_the_stop_and_began_behind_it_is_late_too() -> None:
    story = [enqueued(), strike("stop", 7, 1.5, "idle"), *run("b", 8, 3.0, 3.5), *run("a", 7, 4.0, 5.0)]
    assert late(judge([*story, final("ended", ["b", "a"], ["8"])])) == (1, 0, 1, 0, 1)


def test_a_stop_during_which_nobody_took_over_is_not_late() -> None:
    story = [enqueued(), *run("a", 7, 1.0, 4.0), strike("stop", 7, 1.5)]
    assert late(judge([*story, final("ended", ["a"], ["7"])])) == (0, 0, 0, 0, 0)


def test_poison_is_counted_apart() -> None:
    verdict = judge([enqueued(poison=True), *run("a", 7, 1.0, None), *run("b", 8, 2.0, None), final("failed", [], [])])
    assert (verdict.items, verdict.failed, verdict.poisons, verdict.poison_runs) == (0, 0, {"failed": 1}, [2])
