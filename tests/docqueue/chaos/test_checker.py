"""The history checker: each thing that can be wrong is put into a ledger, and found; what is explained is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from docqueue.chaos import checker
from docqueue.chaos.ledger import Ledger, read


def story(**changed):
    """A short ledger in which all is well: item 1 was killed once, item 2 completed at once, item 3 failed once."""
    entries = {
        "storm": {"e": "storm", "t": 0.0, "name": "kill", "lease_seconds": 2.0},
        **{f"enqueued {n}": {"e": "enqueued", "t": 0.1, "id": n} for n in (1, 2, 3)},
        "start 1.1": {"e": "start", "t": 1.0, "id": 1, "claim": 1, "pid": 11, "held": 0.01, "key": "k"},
        "kill": {"e": "kill", "t": 1.5, "id": 1, "phase": "handler", "pid_struck": 11, "why": "child"},
        "start 1.2": {"e": "start", "t": 3.0, "id": 1, "claim": 2, "pid": 12, "held": 0.01, "key": "k"},
        "end 1.2": {"e": "end", "t": 3.5, "id": 1, "claim": 2},
        "start 2.1": {"e": "start", "t": 4.0, "id": 2, "claim": 1, "pid": 12, "held": 0.01, "key": "k"},
        "end 2.1": {"e": "end", "t": 4.5, "id": 2, "claim": 1},
        "start 3.1": {"e": "start", "t": 5.0, "id": 3, "claim": 1, "pid": 12, "held": 0.01, "key": None},
        "end 3.1": {"e": "end", "t": 5.5, "id": 3, "claim": 1},
        "start 3.2": {"e": "start", "t": 6.0, "id": 3, "claim": 2, "pid": 12, "held": 0.01, "key": None},
        "end 3.2": {"e": "end", "t": 6.5, "id": 3, "claim": 2},
        "final 1": final(1, 2, [(1, "crashed", "crashed")]),
        "final 2": final(2, 1, []),
        "final 3": final(3, 2, [(1, "failed", "retry")]),
    }
    for name, fields in changed.items():
        entries[name] = entries.get(name, {}) | fields if fields is not None else None
    return [entry for entry in entries.values() if entry is not None]


def final(item_id, claim, attempts, status="completed"):
    effects = [claim] if status == "completed" else []
    return {"e": "final", "id": item_id, "status": status, "claim": claim, "effects": effects, "attempts": attempts}


def outside(item_id, claim, key="k"):
    return {"e": "outside", "t": 4.9 + claim, "id": item_id, "claim": claim, "key": key}


def held(item_id, t, claim=1):
    return {"e": "held", "t": t, "id": item_id, "claim": claim, "pid_struck": 9}


def stop(t, pid):
    return {"e": "stop", "t": t, "id": 0, "phase": "idle", "pid_struck": pid, "why": "heartbeat"}


def crash(t):
    return {"e": "crash", "t": t, "lossy": True}


def poisoned(code):
    return {"status": "dead", "effects": [], "attempts": [(1, "crashed", code)]}


def kinds(**changed):
    verdict = checker.check(story(**changed))
    return {kind for kind, found in verdict.violations.items() if found}


def test_a_story_in_which_everything_is_explained_has_no_violation():
    verdict = checker.check(story())
    assert verdict.passed, verdict.violations
    assert (verdict.items, verdict.runs, verdict.repeats) == (3, 5, 2)
    assert verdict.recoveries == [1.5]
    assert (verdict.share("handler"), verdict.share("complete")) == (1.0, 0.0)
    assert "ran again after 1.50 s (median of 1), 1.50 s (slowest)" in checker.report(verdict)


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"final 2": None}, "lost"),
        ({"enqueued 2": None}, "phantom"),
        ({"final 2": {"status": "pending", "effects": []}}, "stuck"),
        ({"final 2": {"status": "in_progress", "effects": []}}, "stuck"),
        ({"final 1": {"effects": [1, 2]}}, "double effect"),
        ({"final 1": {"effects": [2, 2]}}, "double effect"),
        ({"final 2": {"effects": []}}, "missing effect"),
        ({"final 1": {"effects": [1]}}, "stale effect"),
        ({"final 2": {"status": "dead"}}, "stale effect"),
        ({"final 1": {"attempts": []}}, "unexplained repeat"),
        ({"final 3": {"attempts": [(2, "failed", "retry")]}}, "unexplained repeat"),
        ({"start 3.2": {"claim": 1}}, "unexplained repeat"),
        ({"start 1.2": {"claim": 3}}, "illegal transition"),
        ({"enqueued 2": {"due": 4.2}}, "early run"),
        ({"start 1.2": {"t": 1.5 + 2.0 + 5.1}, "end 1.2": {"t": 9.0}, "start 2.1": {"t": 9.5}}, "late recovery"),
        ({"one": held(3, 5.0 - 2.0 - 5.1, claim=0)}, "late recovery"),
        ({"start 2.1": {"t": 3.2}}, "overlap in an ordering key"),
        ({"start 2.1": {"t": 0.5}, "end 2.1": {"t": 0.6}}, "out of turn"),
        ({"final 2": {"status": "cancelled", "effects": []}}, "illegal transition"),
        ({"final 2": {"status": "dead", "effects": []}}, "false charge"),
        ({"final 3": {"attempts": [(1, "crashed", "crashed")]}}, "false charge"),
        ({"final 3": {"attempts": [(1, "failed", "timed_out")]}}, "false charge"),
        ({"kill": {"pid_struck": 99}}, "false charge"),
        ({"final 1": {"unique": "u"}, "final 2": {"unique": "u"}}, "duplicate key"),
        ({"rolled back 2": {"e": "rolled_back", "t": 0.2, "id": 2}, "enqueued 2": None}, "phantom"),
        ({"enqueued 2": {"poison": "segfault"}}, "poison survived"),
        ({"exited": {"e": "exited", "t": 2.0, "pid_struck": 9, "code": 1}}, "worker exited"),
        ({"stopped": {"e": "stopped", "t": 9.0, "peaceful": False}}, "worker hung"),
        ({"storm": None}, "no storm"),
        ({"kill": None}, "no storm"),
        ({"back": {"e": "back", "t": 6.1}, "start 3.2": {"t": 11.2}}, "late resumption"),
        ({"one": outside(3, 1), "two": {"e": "step", "t": 6.1, "id": 3, "claim": 2}}, "step repeated"),
        ({"one": outside(3, 1), "two": outside(3, 2, key="other")}, "key changed"),
    ],
)
def test_what_is_wrong_is_found(changed, kind):
    assert kind in kinds(**changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"enqueued 2": {"due": 3.9}},
        {"start 1.2": {"t": 1.5 + 2.0 + 4.9}, "end 1.2": {"t": 8.5}, "start 2.1": {"t": 9.0}, "end 2.1": {"t": 9.5}},
        {"start 2.1": {"t": 3.5}},  # right behind the one before it
        {"rolled back 9": {"e": "rolled_back", "t": 0.2, "id": 9}},
        {"enqueued 2": {"poison": "segfault"}, "final 2": poisoned("crashed")},
        {"back": {"e": "back", "t": 0.2}},
        {"one": outside(3, 1), "two": outside(3, 2)},
        {"one": outside(3, 2), "two": {"e": "step", "t": 7.2, "id": 3, "claim": 1}},  # it had started before
        {"one": held(3, 5.0 - 2.0 - 4.9, claim=0)},
        {"one": held(3, 5.0 - 2.0 - 5.1, claim=-1), "two": held(3, 4.0, claim=0)},  # its second worker was struck, too
        {"one": held(2, 4.2), "two": held(1, 1.1)},  # they had started
        # it had not, and does in a new process when its worker wakes up: the lease was lost while it was alone
        {"one": held(3, 4.9), "final 3": {"attempts": [(1, "crashed", "crashed")]}},
        # a process that sleeps, and starts or ends its item when another has taken its place
        {"one": stop(1.2, 11), "kill": {"t": 3.3}, "two": {"e": "end", "t": 3.2, "id": 1, "claim": 1}},
        {"one": stop(0.9, 11), "start 1.1": {"t": 4.1}, "kill": {"t": 4.6}},
        # a crash of the database takes a claim back, or the end of a run, where nobody waits for the flush
        {"crash": crash(5.6), "final 3": {"attempts": []}},
        {"crash": crash(5.6), "start 3.2": {"claim": 1}, "final 3": {"claim": 1, "effects": [1], "attempts": []}},
        {"crash": crash(4.9), "start 3.1": {"held": 0.2}, "final 3": {"attempts": []}},
        {
            "kill": {"t": 3.6, "pid_struck": 12},
            "final 1": {"attempts": [(1, "failed", "retry")]},
        },  # after its commit: nothing had to run again
    ],
)
def test_what_is_allowed_is_not_taken_for_wrong(changed):
    assert kinds(**changed) == set()


def test_a_run_that_was_struck_ends_with_its_process_and_does_not_overlap_the_next():
    """Item 2, of the same key, may start once the process of item 1 is dead, and its lease is dealt with."""
    assert kinds(**{"start 2.1": {"t": 1.6}, "end 2.1": {"t": 2.9}}) == set()


def test_the_report_shows_some_of_many_and_says_how_many_more_there_are():
    verdict = checker.Verdict()
    verdict.violations["lost"] += [f"item {n}: gone" for n in range(25)]
    assert checker.report(verdict)[-1] == "lost: … 5 more"


def test_a_ledger_gives_back_what_was_written_by_several_writers_in_order(tmp_path: Path):
    path = tmp_path / "ledger.jsonl"
    one, two = Ledger(path), Ledger(path)
    one.write("start", id=1)
    two.write_many("enqueued", [{"id": n} for n in range(3)])
    one.write("end", id=1)
    found = list(read(path))
    assert [entry["e"] for entry in found] == ["start", *["enqueued"] * 3, "end"]
    assert found[0]["t"] <= found[-1]["t"]
