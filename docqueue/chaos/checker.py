"""The history checker: reads a ledger, with what the database said at the end, and classifies every item."""

from __future__ import annotations

from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from docqueue.chaos.ledger import Entry
from docqueue.chaos.poisons import CODES
from docqueue.chaos.story import Item, Story, tell

RECOVERY_SLACK_SECONDS = 5.0  # beyond the lease
RESUME_SECONDS = 5.0
EARLY_SLACK_SECONDS = 0.05
SHOWN = 20
FINISHED = ("completed", "cancelled", "dead")
OWN_FAULT = ("crashed", "timed_out", "out_of_memory")
Wrong = Iterator[tuple[str, str]]
"""Kinds of violations, each with its sentence."""


@dataclass(kw_only=True)
class Verdict:
    """What the checker found. `violations`: by kind, one line each; `recoveries`: seconds until an item ran again.

    `taken_over`: seconds until an item ran that a worker held, and had not started, when it was struck.
    `forgotten`: runs whose claims a crash took back before a flush that nobody waited for; `resumed`: seconds from the
    return of the database until work went on.
    """

    items: int = 0
    runs: int = 0
    repeats: int = 0
    refused: int = 0
    rolled_back: int = 0
    forgotten: int = 0
    strikes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    resumed: list[float] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    taken_over: list[float] = field(default_factory=list)
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
    story = tell(entries)
    verdict = Verdict(items=len(story.items), strikes=Counter(s["phase"] for s in story.strikes))
    verdict.reasons.update(s["why"] for s in story.strikes)
    for item in story.items.values():
        verdict.runs += len(item.starts) + item.forgotten
        verdict.repeats += max(0, len(item.starts) + item.forgotten - 1)
        verdict.refused += item.refused
        verdict.rolled_back += item.undone
        verdict.forgotten += item.forgotten
    verdict.recoveries, verdict.resumed = list(_recoveries(story)), list(_resumptions(story))
    verdict.taken_over = list(_taken_over(story))
    for kind, said in _everything(story):
        verdict.violations[kind].append(said)
    return verdict


def _everything(story: Story) -> Wrong:
    for item_id, item in story.items.items():
        for kind, said in _wrong(item, story):
            yield kind, f"item {item_id}: {said}"
    yield from _late(story)
    yield from _keys(story)
    yield from _doubles(story)
    for entry in story.exited:
        yield "worker exited", f"worker {entry['pid_struck']} ended by itself, with {entry['code']}"
    if not story.peaceful:
        yield "worker hung", "a worker did not end in good order when it was told to"
    if story.storm is None:
        yield "no storm", "the ledger does not begin with one"
    elif story.storm["name"] in ("kill", "zombie", "clock", "pooler") and not story.strikes:
        yield "no storm", "nobody was struck"


def _late(story: Story) -> Wrong:
    latest = story.lease + RECOVERY_SLACK_SECONDS
    for took in _recoveries(story):
        if took > latest:
            yield "late recovery", f"an item ran again {took:.1f} s after its process was struck"
    for took in _taken_over(story):
        if took > latest:
            yield "late recovery", f"an item ran {took:.1f} s after the worker that held it was struck"
    for took in _resumptions(story):
        if took > RESUME_SECONDS:
            yield "late resumption", f"the database was back, and work went on {took:.1f} s later"


def _wrong(item: Item, story: Story) -> Wrong:
    """What is wrong with one item."""
    if item.undone and not item.starts and item.final is None:
        return
    if not item.acknowledged:
        yield "phantom", "it ran, or is there, and nobody has enqueued it, or it was rolled back"
    if item.due is not None and any(start["t"] < item.due - EARLY_SLACK_SECONDS for start in item.starts):
        yield "early run", "it ran before its time"
    if item.final is None:
        yield "lost", "it is neither in the queue nor in the history"
        return
    status = item.final["status"]
    if status not in FINISHED:
        yield "stuck", f"it is still {status} at the end"
    if status == "cancelled":
        yield "illegal transition", "it is cancelled, and nobody has asked for that"
    yield from _effects(item.final)
    yield from _repeats(item, item.final)
    yield from _charges(item, item.final, story)
    if not story.crashes:
        yield from _steps(item)


def _effects(final: Entry) -> Wrong:
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


def _repeats(item: Item, final: Entry) -> Wrong:
    """Every run but that of the last claim has left an attempt that says how it ended."""
    causes = {claim for claim, *_ in final["attempts"]}
    for claim, count in Counter(start["claim"] for start in item.starts).items():
        if count > 1:
            yield "unexplained repeat", f"claim {claim} ran {count} times"
        if claim > final["claim"]:
            yield "illegal transition", f"claim {claim} ran, and claim {final['claim']} ended it"
        if claim < final["claim"] and claim not in causes:
            yield "unexplained repeat", f"claim {claim} ran, ended without an attempt, and claim {final['claim']} came"


def _charges(item: Item, final: Entry, story: Story) -> Wrong:
    """A poisonous item dies of what it did; nobody else is dead, or charged for what did not happen to it."""
    codes = [code for _, _, code, *_ in final["attempts"]]
    if item.poison is not None:
        if final["status"] != "dead" or not set(codes) & set(CODES[item.poison]):
            yield "poison survived", f"it did {item.poison}, and is {final['status']} with {codes}"
        return
    if final["status"] == "dead":
        yield "false charge", f"it is dead, with {codes}, and harmless"
    if story.cuts:
        return  # a lease that is lost with the database while its item runs alone counts as a crash
    pids = {start["claim"]: start["pid"] for start in item.starts}
    held = {entry["claim"] for entry in item.held}  # by workers that were struck, whatever process it runs in later
    for claim, _, code, *_ in final["attempts"]:
        struck = claim in held or pids.get(claim) in story.struck
        if code in OWN_FAULT and claim in pids and (code != "crashed" or not struck):
            yield "false charge", f"claim {claim} is {code}, and nobody has struck its process"


def _steps(item: Item) -> Wrong:
    """A step that was stored is not run again: an outside effect comes behind it. And the idempotency key stays."""
    stored = min((entry["t"] for entry in item.outside), default=None)
    if stored is not None:
        later = {start["claim"] for start in item.starts if start["t"] > stored}
        for claim in later & {step["claim"] for step in item.steps}:
            yield "step repeated", f"its step was stored, and claim {claim}, which started later, ran it again"
    if len({entry.get("key") for entry in item.outside}) > 1:
        yield "key changed", "its idempotency key was another at each run"


def _recoveries(story: Story) -> Iterator[float]:
    """How long each item that was struck needed to run again; nothing of one that had just ended, or is not back."""
    for strike in story.strikes:
        item = story.items.get(strike.get("id") or 0)
        if item is None:
            continue
        struck = max((s["claim"] for s in item.starts if s["t"] <= strike["t"]), default=0)
        if item.final is not None and item.final["claim"] == struck:
            continue  # its completion was committed
        again = [s["t"] for s in item.starts if s["claim"] > struck]
        if again and not _held_again(item, struck, min(again)):
            yield min(again) - strike["t"]


def _taken_over(story: Story) -> Iterator[float]:
    """The same for those that had not started yet in the hands of a worker that was struck."""
    for item in story.items.values():
        for held in item.held:
            claims = [(s["claim"], s["t"]) for s in item.starts]
            if any(claim == held["claim"] and t <= held["t"] for claim, t in claims):
                continue
            again = [t for claim, t in claims if claim > held["claim"]]
            if again and not _held_again(item, held["claim"], min(again)):
                yield min(again) - held["t"]


def _held_again(item: Item, claim: int, until: float) -> bool:
    """Whether the worker that took it over was struck too before it started: from then on its time counts anew."""
    return any(held["claim"] > claim and held["t"] < until for held in item.held)


def _resumptions(story: Story) -> Iterator[float]:
    """How soon work went on once the database was back, where something was left to do."""
    starts = sorted(start["t"] for item in story.items.values() for start in item.starts)
    for moment in story.back:
        if (place := bisect(starts, moment)) < len(starts):
            yield starts[place] - moment


def _end_of(start: Entry, item: Item, story: Story) -> float | None:
    """When a run was over, or its process was struck; None if that is not known, or it began after such a sleep."""
    strikes = story.struck.get(start["pid"], ())
    woken = any(strike["e"] == "stop" and strike["t"] < start["t"] for strike in strikes)
    if woken and item.final is not None and start["claim"] < item.final["claim"]:
        return None
    over = [strike["t"] for strike in strikes if strike["t"] >= start["t"]]
    over += [end["t"] for end in item.ends if end["claim"] == start["claim"]]
    return min(over, default=None)


def _keys(story: Story) -> Wrong:
    """Items of one key that ran at once (from a start to its end, or the strike at its process), or out of turn.

    What a process does that was stopped for longer than its lease may overlap with what took its place: nobody can
    know that it will wake up.
    """
    runs: defaultdict[str, list[tuple[float, float, int]]] = defaultdict(list)
    turns: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    for item_id, item in story.items.items():
        for start in item.starts:
            if (key := start.get("key")) is not None and (until := _end_of(start, item, story)) is not None:
                runs[key].append((start["t"], until, item_id))
        if item.starts and item.due is None and (key := item.starts[0].get("key")) is not None:
            turns[key].append((item_id, min(start["t"] for start in item.starts)))
    for key, found in runs.items():
        for (_, before, first), (after, _, second) in pairwise(sorted(found)):
            if after < before and first != second:
                yield "overlap in an ordering key", f"items {first} and {second} of key {key!r} ran at once"
    for key, firsts in turns.items():
        for (one, before), (other, after) in pairwise(sorted(firsts)):
            if after < before:
                yield "out of turn", f"item {other} of key {key!r} ran before item {one}"


def _doubles(story: Story) -> Wrong:
    """Keys that a client used for one item, and of which the database has several."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for item_id, item in story.items.items():
        if item.final is not None and (key := item.final.get("unique")):
            found[key].append(item_id)
    for key, ids in found.items():
        if len(ids) > 1:
            yield "duplicate key", f"items {ids} have the key {key!r}"


def report(verdict: Verdict) -> list[str]:
    """The verdict in lines, for people."""
    recoveries = sorted(verdict.recoveries)
    handler, complete = verdict.share("handler"), verdict.share("complete")
    lines = [
        f"{verdict.items:,} items, {verdict.runs:,} runs, {verdict.repeats:,} repeats",
        f"{verdict.refused:,} late writes refused",
    ]
    if verdict.strikes:
        share = f"in a handler {handler:.0%}, inside ctx.complete() {complete:.0%}"
        reasons = ", ".join(f"{count:,} × {why}" for why, count in sorted(verdict.reasons.items()))
        lines.append(f"{verdict.strikes.total():,} processes struck, {share} ({reasons})")
    if recoveries:
        median = recoveries[len(recoveries) // 2]
        lines.append(
            f"ran again after {median:.2f} s (median of {len(recoveries):,}), {recoveries[-1]:.2f} s (slowest)"
        )
    if taken_over := sorted(verdict.taken_over):
        median = taken_over[len(taken_over) // 2]
        told = f"{median:.2f} s (median of {len(taken_over):,}), {taken_over[-1]:.2f} s (slowest)"
        lines.append(f"what had not started in the hands of a worker that was struck ran after {told}")
    if verdict.resumed:
        lines.append(f"work went on within {max(verdict.resumed):.2f} s of the database's return")
    if verdict.forgotten:
        lines.append(f"{verdict.forgotten:,} runs of claims that a crash took back before their flush")
    if verdict.rolled_back:
        lines.append(f"{verdict.rolled_back:,} enqueues rolled back")
    for kind, found in sorted(verdict.violations.items()):
        lines += [f"{kind}: {said}" for said in found[:SHOWN]]
        if len(found) > SHOWN:
            lines.append(f"{kind}: … {len(found) - SHOWN:,} more")
    return lines
