"""What a storm's ledger says: pure, so that a ledger can be judged again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from bench.rivals.rivals import ENDED, FAILED
from docqueue.chaos.ledger import Entry


@dataclass(kw_only=True)
class Verdict:
    """Counts of runs and of harmless items; `poisons`: what became of the others, and their `poison_runs`, each.

    `again`: seconds from a kill until the item ran again, by what was killed. `overtaken` runs were stopped, and
    another run of the item began before they ended. Of these `accepted` are what the queue took for an end of the item,
    `refused` those that came to their end in vain, `cut` those that did not come to it, as their own worker ended them.
    `late_effects`: those whose database effect was committed all the same.
    """

    items: int = 0
    runs: int = 0
    strikes: Counter[str] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    exits: int = 0
    lost: int = 0
    stuck: int = 0
    failed: int = 0
    doubled: int = 0
    missing: int = 0
    repeated_outside: int = 0
    again: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    never_again: int = 0
    overtaken: int = 0
    accepted: int = 0
    late_effects: int = 0
    refused: int = 0
    cut: int = 0
    poisons: Counter[str] = field(default_factory=Counter)
    poison_runs: list[int] = field(default_factory=list)


def judge(entries: Iterable[Entry]) -> Verdict:
    """Judge a whole ledger."""
    found: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[entry["e"]].append(entry)
    finals = {final["n"]: final for final in found["final"]}
    ends = {end["run"]: end["t"] for end in found["end"]}
    runs = [start | {"end": ends.get(start["run"])} for start in found["start"]]
    poisons = {item["n"] for item in found["enqueued"] if item["poison"]}
    innocent = [item["n"] for item in found["enqueued"] if not item["poison"]]
    verdict = Verdict(items=len(innocent), runs=len(runs), exits=len(found["exited"]))
    for n in innocent:
        _item(verdict, finals.get(n))
    for n in sorted(poisons):
        verdict.poisons[finals[n]["state"] if n in finals else "lost"] += 1
        verdict.poison_runs.append(sum(1 for run in runs if run["n"] == n))
    outside = Counter(entry["n"] for entry in found["outside"])
    verdict.repeated_outside = sum(1 for count in outside.values() if count > 1)
    for strike in found["kill"] + found["stop"]:
        verdict.strikes[strike["why"]] += 1
        verdict.phases[strike["phase"]] += 1
    for strike in found["kill"]:
        _kill(verdict, strike, runs, finals.get(strike["n"]))
    for strike in found["stop"]:
        _stop(verdict, strike, runs, finals)
    return verdict


def _item(verdict: Verdict, final: Entry | None) -> None:
    """What became of an item whose enqueue was acknowledged."""
    if final is None:
        verdict.lost += 1
        return
    verdict.failed += final["state"] == FAILED
    verdict.stuck += final["state"] not in (ENDED, FAILED)
    verdict.doubled += len(final["effects"]) > 1
    verdict.missing += final["state"] == ENDED and not final["effects"]


def _kill(verdict: Verdict, strike: Entry, runs: list[Entry], final: Entry | None) -> None:
    """How soon the item ran again, unless its end was committed already."""
    others = [run for run in runs if run["n"] == strike["n"] and run["pid"] != strike["pid_struck"]]
    if later := [run["t"] for run in others if run["t"] > strike["t"]]:
        verdict.again[strike["why"]].append(min(later) - strike["t"])
    elif strike["n"] and (final is None or final["state"] != ENDED):
        verdict.never_again += 1


def _stop(verdict: Verdict, strike: Entry, runs: list[Entry], finals: dict[int, Entry]) -> None:
    """Whether another run took over from the one that was stopped, or had its item and was about to begin."""
    late = next((run for run in runs if run["pid"] == strike["pid_struck"] and _ends_after(run, strike["t"])), None)
    if late is None or late["n"] not in finals:
        return
    others = [run for run in runs if run["n"] == late["n"] and run["run"] != late["run"]]
    if not any(strike["t"] < run["t"] and _ends_after(late, run["t"]) for run in others):
        return
    final = finals[late["n"]]
    accepted = late["who"] in final["ends"]
    verdict.overtaken += 1
    verdict.accepted += accepted
    verdict.refused += late["end"] is not None and not accepted
    verdict.cut += late["end"] is None and not accepted
    verdict.late_effects += late["run"] in final["effects"]


def _ends_after(run: Entry, moment: float) -> bool:
    return run["end"] is None or run["end"] > moment
