"""A target, what became of it, and how its figure is found among the results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.peers import BY_NAME
from bench.results import Results

OWN, FLOOR = BY_NAME["docqueue"].label, BY_NAME["floor"].label
PEERS = {peer.label for peer in BY_NAME.values()} - {OWN, FLOOR}

Measure = Callable[[Results], float | None]


@dataclass(frozen=True, kw_only=True)
class Target:
    """`needs`: peer (name) without which it can not be judged; "peers" means any."""

    text: str
    workload: str
    measure: Measure
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    needs: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A target and what became of it."""

    target: Target
    measured: float | None
    detail: str = ""

    @property
    def missed(self) -> bool:
        """Whether it was measured (or should have been: its row failed) and is not reached."""
        if self.detail == "not measured":
            return False
        if self.measured is None:
            return True
        low, high = self.target.at_least, self.target.at_most
        return (low is not None and self.measured < low) or (high is not None and self.measured > high)

    @property
    def word(self) -> str:
        """As the list shows it."""
        return "MISSED" if self.missed else "ok" if self.measured is not None else "–"


def value(workload: str, row: str, metric: str) -> Measure:
    """The median of a metric."""
    return lambda results: results.median(workload, row, metric)


def ratio(over: Measure, under: Measure) -> Measure:
    """One figure divided by another."""

    def measure(results: Results) -> float | None:
        a, b = over(results), under(results)
        return None if a is None or not b else a / b

    return measure


def best_peer(workload: str, metric: str) -> Measure:
    """The fastest peer's median (the floor is none)."""

    def measure(results: Results) -> float | None:
        found = results.best(workload, metric, PEERS.__contains__)
        return found[1] if found else None

    return measure
