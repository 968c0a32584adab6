"""The history checker: reads a ledger, with what the database said at the end, and classifies every item."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from docqueue.chaos.ledger import Entry

RECOVERY_SLACK_SECONDS = 5.0  # beyond the lease
EARLY_SLACK_SECONDS = 0.05
SHOWN = 20
FINISHED = ("completed", "cancelled", "dead")


@dataclass(kw_only=True)
class Item:
    """What the ledger tells of one item."""

    acknowledged: bool = False
    due: float | None = None
    starts: list[Entry] = field(default_factory=list)
    ends: list[Entry] = field(default_factory=list)
    refused: int = 0
    final: Entry | None = None

    def note(self, event: str, entry: Entry) -> None:
        """Take in one line about it."""
        match event:
            case "enqueued":
                self.acknowledged, self.due = True, entry.get("due")
            case "start":
                self.starts.append(entry)
            case "end":
                self.ends.append(entry)
            case "refused":
                self.refused += 1
            case "final":
                self.final = entry


@dataclass(kw_only=True)
class Verdict:
    """What the checker found. `violations`: by kind, one line each; `recoveries`: seconds until an item ran again."""

    items: int = 0
    runs: int = 0
    repeats: int = 0
    refused: int = 0
    strikes: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)
    violations: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def passed(self) -> bool:
        """Whether there is no violation."""
        return not any(self.violations.values())

    def share(self, phase: str) -> float:
        """The share of the strikes that hit a process in this phase."""
        return self.strikes[phase] / max(1, self.strikes.total())


def check(entries: Iterable[Entry]) -> Verdict:
    """Judge a whole ledger."""
    items: defaultdict[int, Item] = defaultdict(Item)
    strikes: list[Entry] = []
    lease = 30.0
    for entry in entries:
        event = entry["e"]
        if event == "storm":
            lease = entry["lease_seconds"]
        elif event in ("kill", "stop"):
            strikes.append(entry)
        elif "id" in entry:
            items[entry["id"]].note(event, entry)
    verdict = Verdict(items=len(items), strikes=Counter(s["phase"] for s in strikes))
    for item_id, item in items.items():
        verdict.runs += len(item.starts)
        verdict.repeats += max(0, len(item.starts) - 1)
        verdict.refused += item.refused
        for kind, said in _wrong(item):
            verdict.violations[kind].append(f"item {item_id}: {said}")
    for strike in strikes:
        _recovery(strike, items, lease, verdict)
    for said in _overlaps(items, strikes):
        verdict.violations["overlap in an ordering key"].append(said)
    return verdict


def _wrong(item: Item) -> Iterator[tuple[str, str]]:
    """What is wrong with one item: kinds and words."""
    if not item.acknowledged:
        yield "phantom", "it ran, or is there, and nobody has enqueued it"
    if item.due is not None and any(start["wall"] < item.due - EARLY_SLACK_SECONDS for start in item.starts):
        yield "early run", "it ran before its time"
    if item.final is None:
        yield "lost", "it is neither in the queue nor in the history"
        return
    if item.final["status"] not in FINISHED:
        yield "stuck", f"it is still {item.final['status']} at the end"
    yield from _effects(item.final)
    yield from _repeats(item, item.final)


def _effects(final: Entry) -> Iterator[tuple[str, str]]:
    """Of an item that is completed, its database effect happened once, by the claim that completed it; else never."""
    effects, done = final["effects"], final["status"] == "completed"
    if len(effects) > 1:
        yield "double effect", f"its database effect happened {len(effects)} times, by claims {effects}"
    if done and not effects:
        yield "missing effect", "it is completed, and its database effect never happened"
    if effects and not done:
        yield "stale effect", f"it is {final['status']}, and its database effect happened"
    if any(claim != final["claim"] for claim in effects):
        yield "stale effect", f"its effect is of claim {effects}, its end of claim {final['claim']}"


def _repeats(item: Item, final: Entry) -> Iterator[tuple[str, str]]:
    """Every run but that of the last claim has left an attempt that says how it ended."""
    causes = {claim for claim, _, _ in final["attempts"]}
    for claim, count in Counter(start["claim"] for start in item.starts).items():
        if count > 1:
            yield "unexplained repeat", f"claim {claim} ran {count} times"
        if claim > final["claim"]:
            yield "illegal transition", f"claim {claim} ran, and claim {final['claim']} ended it"
        if claim < final["claim"] and claim not in causes:
            yield "unexplained repeat", f"claim {claim} ran, ended without an attempt, and claim {final['claim']} came"


def _recovery(strike: Entry, items: dict[int, Item], lease: float, verdict: Verdict) -> None:
    """How long an item that was struck needed to run again; nothing when it had just ended."""
    item_id = strike.get("id")
    if not item_id or item_id not in items:
        return
    item = items[item_id]
    struck = max((s["claim"] for s in item.starts if s["t"] <= strike["t"]), default=0)
    if item.final is not None and item.final["claim"] == struck:
        return  # its completion was committed
    again = [s["t"] for s in item.starts if s["claim"] > struck]
    if not again:
        return  # it is lost or stuck, which is told
    took = min(again) - strike["t"]
    verdict.recoveries.append(took)
    if took > lease + RECOVERY_SLACK_SECONDS:
        verdict.violations["late recovery"].append(
            f"item {item_id} ran again {took:.1f} s after its process was struck"
        )


def _overlaps(items: dict[int, Item], strikes: list[Entry]) -> Iterator[str]:
    """Items of one key that ran at once: both between a start and its end, in processes that were not struck."""
    struck = {(s["id"], s["pid_struck"]): s["t"] for s in strikes if s.get("id")}
    runs: defaultdict[str, list[tuple[float, float, int]]] = defaultdict(list)
    for item_id, item in items.items():
        ends = {end["claim"]: end["t"] for end in item.ends}
        for start in item.starts:
            key = start.get("key")
            until = ends.get(start["claim"], struck.get((item_id, start["pid"])))
            if key is not None and until is not None:
                runs[key].append((start["t"], until, item_id))
    for key, found in runs.items():
        found.sort()
        for (_, before, first), (after, _, second) in pairwise(found):
            if after < before and first != second:
                yield f"items {first} and {second} of key {key!r} ran at once"


def report(verdict: Verdict) -> list[str]:
    """The verdict in lines, for people."""
    recoveries = sorted(verdict.recoveries)
    handler, complete = verdict.share("handler"), verdict.share("complete")
    lines = [
        f"{verdict.items:,} items, {verdict.runs:,} runs, {verdict.repeats:,} repeats",
        f"{verdict.refused:,} late writes refused",
        f"{verdict.strikes.total():,} strikes, in a handler {handler:.0%}, inside ctx.complete() {complete:.0%}",
    ]
    if recoveries:
        median = recoveries[len(recoveries) // 2]
        lines.append(
            f"ran again after {median:.2f} s (median of {len(recoveries):,}), {recoveries[-1]:.2f} s (slowest)"
        )
    for kind, found in sorted(verdict.violations.items()):
        lines += [f"{kind}: {said}" for said in found[:SHOWN]]
        if len(found) > SHOWN:
            lines.append(f"{kind}: … {len(found) - SHOWN:,} more")
    return lines
