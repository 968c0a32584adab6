"""What a ledger tells, sorted by item: the checker judges it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from docqueue.chaos.ledger import Entry


@dataclass(kw_only=True)
class Item:
    """What the ledger tells of one item.

    `held`: by workers that were struck; `forgotten`: runs whose claims a crash of the database took back.
    """

    acknowledged: bool = False
    undone: bool = False
    due: float | None = None
    poison: str | None = None
    starts: list[Entry] = field(default_factory=list)
    ends: list[Entry] = field(default_factory=list)
    steps: list[Entry] = field(default_factory=list)
    outside: list[Entry] = field(default_factory=list)
    held: list[Entry] = field(default_factory=list)
    refused: int = 0
    forgotten: int = 0
    final: Entry | None = None

    def note(self, event: str, entry: Entry) -> None:
        """Take in one line about it."""
        match event:
            case "enqueued":
                self.acknowledged, self.due, self.poison = True, entry.get("due"), entry.get("poison")
            case "rolled_back":
                self.undone = True
            case "start":
                self.starts.append(entry)
            case "end":
                self.ends.append(entry)
            case "step":
                self.steps.append(entry)
            case "outside":
                self.outside.append(entry)
            case "held":
                self.held.append(entry)
            case "refused":
                self.refused += 1
            case "final":
                self.final = entry

    def forget(self, crashes: list[float]) -> None:
        """Drop the runs of which the database forgot the claim, or the end: by a crash between claim and next start."""
        known = {claim for claim, *_ in self.final["attempts"]} if self.final else set()
        kept = []
        for number, start in enumerate(self.starts):
            later = self.starts[number + 1 :]
            crashed = later and any(start["t"] - start["held"] < crash < later[0]["t"] for crash in crashes)
            if not crashed or (start["claim"] in known and min(s["claim"] for s in later) > start["claim"]):
                kept.append(start)
        self.forgotten = len(self.starts) - len(kept)
        self.starts = kept


@dataclass(kw_only=True)
class Story:
    """A whole ledger. `crashes` may have lost what was not flushed; `back`: when the database was there again."""

    storm: Entry | None = None
    items: defaultdict[int, Item] = field(default_factory=lambda: defaultdict(Item))
    strikes: list[Entry] = field(default_factory=list)
    crashes: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)
    cuts: int = 0  # how often the database was away
    exited: list[Entry] = field(default_factory=list)
    peaceful: bool = True

    @property
    def lease(self) -> float:
        """The workers' lease in seconds."""
        return float(self.storm["lease_seconds"]) if self.storm else 30.0

    @cached_property
    def struck(self) -> dict[int, list[Entry]]:
        """The strikes by the process that they hit."""
        found: defaultdict[int, list[Entry]] = defaultdict(list)
        for strike in self.strikes:
            found[strike["pid_struck"]].append(strike)
        return found


def tell(entries: Iterable[Entry]) -> Story:
    """Sort a ledger."""
    story = Story()
    for entry in entries:
        match entry["e"]:
            case "storm":
                story.storm = entry
            case "kill" | "stop":
                story.strikes.append(entry)
            case "crash":
                story.cuts += 1
                story.crashes += [entry["t"]] if entry["lossy"] else []
            case "back":
                story.back.append(entry["t"])
            case "cut":
                story.cuts += 1
            case "exited":
                story.exited.append(entry)
            case "stopped":
                story.peaceful = entry["peaceful"]
            case event if "id" in entry:
                story.items[entry["id"]].note(event, entry)
    for item in story.items.values():
        item.forget(story.crashes)
    return story
