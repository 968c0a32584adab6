"""Files that are hard on whoever reads them: one more try in another way, then no more.

A file whose reading ended its process, took too long or too much memory is read once more, by another reader where
its type has one. Two such ends are the file's fault and not bad luck, so that there is no third try.
"""

from __future__ import annotations

from enum import Enum, auto

from docqueue.models import Attempt
from docqueue.service import ClaimedItem
from ingestion.errors import ExtractFailed, ExtractTimeout, OutOfMemory, ParserCrashed

CRASHED = Attempt.Outcome.CRASHED
HARD: dict[str, type[ExtractFailed]] = {
    "crashed": ParserCrashed,
    "timed_out": ExtractTimeout,
    "stalled": ExtractTimeout,
    "out_of_memory": OutOfMemory,
}
"""The queue's codes for an end by force, with the error that stands for it when it was the last one."""


class Verdict(Enum):
    """How a file is to be read this time."""

    AS_USUAL = auto()
    FALLBACK = auto()
    GIVE_UP = auto()


def judge(claim: ClaimedItem) -> Verdict:
    """How to read the file, from how earlier tries ended since a person last put the item back."""
    match len(_hard_ends(claim)):
        case 0:
            return Verdict.AS_USUAL
        case 1:
            return Verdict.FALLBACK
        case _:
            return Verdict.GIVE_UP


def last_word(claim: ClaimedItem) -> ExtractFailed:
    """The error that a file ends with which is given up."""
    return HARD[_hard_ends(claim)[-1]]()


def _hard_ends(claim: ClaimedItem) -> list[str]:
    """The codes of such ends, the newest last. Costs a look at the database from the second try on."""
    if claim.crashes == 0 and claim.attempt <= 1:
        return []
    rows = Attempt.objects.filter(item_id=claim.id).order_by("-id").values_list("attempt", "outcome", "code")
    crashes, before, ends = claim.crashes, claim.attempt, []
    for attempt, outcome, code in rows[:50]:
        if outcome == CRASHED:  # charged to `crashes`, which a requeue sets back; its attempt was given back
            if crashes > 0:
                crashes -= 1
                ends.append("crashed")
        elif attempt < before:  # a requeue begins to count anew, so that numbers only fall on the way back
            before = attempt
            if code in HARD:
                ends.append(code)
    return ends[::-1]
