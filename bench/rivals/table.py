"""The queues side by side, as Markdown, and the same as figures for the file of results."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.report import markdown
from bench.results import Results
from bench.rivals.judge import Verdict
from bench.rivals.rivals import FAILED, OPEN, Rival
from bench.rivals.storms import PATIENCE_SECONDS


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One storm over one queue: the verdict, and how long its backlog took."""

    verdict: Verdict
    seconds: float


Outcomes = Mapping[str, Mapping[str, Outcome]]
"""By storm and the queue's name."""
Row = tuple[str, str, Callable[[Outcome], str]]


def _again(why: str) -> Callable[[Outcome], str]:
    def cell(outcome: Outcome) -> str:
        took = outcome.verdict.again[why]
        return f"{statistics.median(took):.2f} / {max(took):.2f} s (of {len(took)})" if took else "–"

    return cell


def _default(outcome: Outcome) -> str:
    took = outcome.verdict.again["worker"]
    return f"{max(took):.1f} s" if took else f"not within {PATIENCE_SECONDS:.0f} s"


def _late(outcome: Outcome) -> str:
    verdict = outcome.verdict
    if not verdict.overtaken:
        return "–, nobody took over"
    return f"{verdict.accepted} / {verdict.refused} / {verdict.cut}"


def _struck(outcome: Outcome) -> str:
    return f"{outcome.verdict.strikes['process']} / {outcome.verdict.strikes['worker']}"


def _phases(outcome: Outcome) -> str:
    return " / ".join(str(outcome.verdict.phases[phase]) for phase in ("handler", "complete", "idle"))


def _items(outcome: Outcome) -> str:
    return f"{outcome.verdict.lost} / {outcome.verdict.stuck} / {outcome.verdict.failed}"


def _poisons(outcome: Outcome) -> str:
    return f"{outcome.verdict.poisons[FAILED]} / {outcome.verdict.poisons[OPEN]}"


def _effects(outcome: Outcome) -> str:
    return f"{outcome.verdict.doubled} / {outcome.verdict.missing}"


ROWS: tuple[Row, ...] = (
    ("kill", "kills: the handler's process / the whole worker", _struck),
    ("kill", "… in the handler / behind its database effect / just returned", _phases),
    ("kill", "items lost / stuck / failed", _items),
    ("kill", "database effects doubled / missing", _effects),
    ("kill", "outside effects repeated", lambda o: str(o.verdict.repeated_outside)),
    ("kill", "handler's process killed → runs again, median / max", _again("process")),
    ("kill", "whole worker killed → runs again, median / max", _again("worker")),
    ("kill", "struck and never run again", lambda o: str(o.verdict.never_again)),
    ("kill", "workers that ended by themselves", lambda o: str(o.verdict.exits)),
    ("kill", "backlog done after", lambda o: f"{o.seconds:.0f} s"),
    ("zombie", "stops / another run took over", lambda o: f"{o.verdict.strikes['stop']} / {o.verdict.overtaken}"),
    ("zombie", "late finishes accepted / refused / cut short", _late),
    ("zombie", "late database effects committed", lambda o: str(o.verdict.late_effects)),
    ("zombie", "items lost / stuck / failed", _items),
    ("zombie", "database effects doubled / missing", _effects),
    ("zombie", "workers that ended by themselves", lambda o: str(o.verdict.exits)),
    ("poison", "poisonous items: ended for good / still coming back or stuck", _poisons),
    (
        "poison",
        "… runs of each, every one the death of a process",
        lambda o: ", ".join(map(str, o.verdict.poison_runs)),
    ),
    ("poison", "innocent items lost / stuck / failed", _items),
    ("poison", "innocent items whose outside effect was repeated", lambda o: str(o.verdict.repeated_outside)),
    ("default", "whole worker killed → runs again", _default),
)


def table(rivals: Sequence[Rival], outcomes: Outcomes) -> str:
    """A column for each queue; then how each was set up, and what is said of its defaults."""
    rows = []
    for storm, words, cell in ROWS:
        if storm in outcomes:
            found = outcomes[storm]
            rows.append([storm, words, *(cell(found[r.name]) if r.name in found else "failed" for r in rivals)])
    rows.append(["default", "said of it", *(rival.defaults for rival in rivals)])
    notes = "\n".join(f"* {rival.label}: {rival.how}." for rival in rivals)
    return f"{markdown(['storm', '', *(rival.label for rival in rivals)], rows)}\n\n{notes}"


def note(results: Results, storm: str, rival: Rival, outcome: Outcome) -> None:
    """Everything as figures; of the times until an item ran again, each."""
    verdict, workload = outcome.verdict, f"rivals {storm}"
    counts = ("items", "runs", "exits", "lost", "stuck", "failed", "doubled", "missing", "repeated_outside")
    late = ("never_again", "overtaken", "accepted", "refused", "cut", "late_effects")
    results.add(workload, rival.label, **{name: getattr(verdict, name) for name in (*counts, *late)})
    results.add(workload, rival.label, **{f"struck_{why}": count for why, count in verdict.strikes.items()})
    results.add(workload, rival.label, **{f"struck_in_{phase}": count for phase, count in verdict.phases.items()})
    results.add(workload, rival.label, seconds=round(outcome.seconds, 1))
    for runs in verdict.poison_runs:
        results.add(workload, rival.label, poison_runs=runs)
    for why, took in verdict.again.items():
        for seconds in took:
            results.add(workload, rival.label, **{f"again_{why}_s": round(seconds, 3)})
