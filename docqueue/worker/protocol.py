"""What supervisor and executor processes say to each other, and what a pool reports to the work loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from docqueue.items import ClaimedItem
from docqueue.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Run:
    """Supervisor → child: run these items, in this order, each as soon as there is a ticket for it."""

    items: tuple[ClaimedItem, ...]


@dataclass(frozen=True, slots=True)
class TakenBack:
    """Supervisor → child: the last `count` items of those sent so far will not be started: their tickets are gone."""

    count: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """Supervisor → child: somebody asked to cancel this item."""

    item_id: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Supervisor → child: end after the running item."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Child → supervisor: this item's run ended so, after so many seconds."""

    item_id: int
    outcome: Outcome
    seconds: float


@dataclass(frozen=True, slots=True)
class Said:
    """Child → supervisor: how far the running item is."""

    item_id: int
    percent: int
    stage: str
    message: str


@dataclass(frozen=True, slots=True)
class Connected:
    """Child → supervisor: how its connection is: ok, read-only, down."""

    state: str


class Report(NamedTuple):
    """How one item's run ended."""

    item: ClaimedItem
    outcome: Outcome
    seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class ProgressReport:
    """How far one running item is."""

    item: ClaimedItem
    percent: int
    stage: str
    message: str


News = Report | ProgressReport
