"""Ending claims in batches: completed items move to the history, all other exits go through one statement."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from docqueue import claiming, handlers, history, outcomes, store
from docqueue.admission import gates, limits
from docqueue.conf import get_settings
from docqueue.items import PAYLOAD, ClaimedItem, in_claim_order
from docqueue.jsontext import json_text
from docqueue.states import Status


def complete(using: str, done: Sequence[tuple[ClaimedItem, str | None]], now: datetime | None = None) -> set[int]:
    """Complete claimed items, each with its result as JSON text. Returns the ids that were still ours."""
    if not done:
        return set()
    params = {
        "ids": [item.id for item, _ in done],
        "tokens": [item.claim_token for item, _ in done],
        "results": [result for _, result in done],
        "now": now,
    }
    rows = history.with_partition(using, now, lambda: store.run(using, "complete", params))
    parents = [item_id for item_id, *_, parent in rows if parent]
    gates.after_finish(using, [row[1] for row in rows], [row[2] for row in rows], parents)
    completed = {row[0] for row in rows}
    limits.note(
        using,
        [(item, limits.COMPLETED) for item, _ in done if item.limit_key is not None and item.id in completed],
        now,
    )
    return completed


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a worker's step did. `completed`: ids that were still ours; `returned` of the claimed ones had come back."""

    completed: set[int]
    claimed: list[ClaimedItem]
    returned: int
    followed: bool


@dataclass(frozen=True, kw_only=True)
class Starts:
    """Where a claim starts in each lane of a queue, highest priority first: behind `hints`, or further on, behind the
    front that its workers share: the sequence of that name, if the tag in its number is the lane's.
    """

    priorities: Sequence[int] = ()
    hints: Sequence[int] = ()
    fronts: Sequence[str | None] = ()
    tags: Sequence[int] = ()


def step(
    using: str,
    worker: int,
    done: Sequence[tuple[ClaimedItem, str | None]],
    *,
    queue: str = "",
    starts: Starts = Starts(),
    limit: int = 0,
    dependencies: bool = False,
) -> Step:
    """Complete items, each with its result as JSON text, and claim up to `limit` from a queue, in one statement.

    Claims what came back first, then lane by lane; see sql/step.sql. `dependencies`: some items come after others.
    """
    ordered = sorted(done, key=lambda pair: pair[0].id)
    ids = [item.id for item, _ in ordered]
    results = [result for _, result in ordered]
    params = {
        "ids": store.numbers(ids),
        "tokens": store.numbers(item.claim_token for item, _ in ordered),
        "results": results if any(result is not None for result in results) else None,
        "worker_id": worker,
        "token": store.new_token(),
        "queue": queue,
        "priorities": list(starts.priorities),
        "hints": list(starts.hints),
        "fronts": list(starts.fronts),
        "tags": list(starts.tags),
        "limit": limit,
        "dependencies": dependencies,
        "fair": gates.fair(),
    }
    rows = history.with_partition(using, None, lambda: store.run(using, "step", params))
    told = json.loads(rows.pop()[PAYLOAD])
    followed, slots, parents = told["followed"] or (), told["slots"] or (), told["parents"] or ()
    gates.after_finish(using, followed, slots, parents)
    completed = set(ids if told["completed"] == len(ids) else told["ids"] or ())
    limits.note(
        using, [(item, limits.COMPLETED) for item, _ in ordered if item.limit_key is not None and item.id in completed]
    )
    return Step(
        completed=completed,
        claimed=in_claim_order(rows),
        returned=told["returned"],
        followed=bool(followed or slots or parents),
    )


def settle(
    using: str, ended: Sequence[tuple[ClaimedItem, outcomes.Outcome]], now: datetime | None = None
) -> dict[int, Status]:
    """Write every exit but completed for claimed items. Returns the new status of those that were still ours."""
    if not ended:
        return {}
    most = get_settings().MAX_CRASHES
    rows = []
    for item, outcome in ended:
        found = handlers.find(item.operation)
        policy = found.policy if found else get_settings().retry_policy
        rows.append(outcomes.row(item, outcome, policy, most))
    statuses = write(using, rows, now)
    limits.note(using, [(item, _verdict(outcome)) for item, outcome in ended if item.id in statuses], now)
    for (item, _), row in zip(ended, rows, strict=True):
        if statuses.get(item.id) is Status.DEAD:
            tell_dead(using, item.operation, item.id, row["code"], row["message"])
    return statuses


def _verdict(outcome: outcomes.Outcome) -> str:
    """What a circuit breaker makes of it: only what may have failed because of what the item depends on counts."""
    failed = isinstance(outcome, outcomes.Failed) and outcome.retryable
    return limits.FAILED if failed else limits.OTHER


def write(using: str, rows: Sequence[Mapping[str, Any]], now: datetime | None = None) -> dict[int, Status]:
    """Write rows of settle.sql. Returns the new status of those whose claim was still the newest."""
    params = {"rows": json_text("rows", rows), "now": now}
    changed = history.with_partition(using, now, lambda: store.run(using, "settle", params))
    ended = [row for row in changed if row[1] in (Status.DEAD, Status.CANCELLED)]
    gates.after_finish(using, [row[3] for row in ended], [row[4] for row in changed], [row[0] for row in ended])
    return {row[0]: Status(row[1]) for row in changed}


def tell_dead(using: str, operation: str, item_id: int, code: str, message: str) -> None:
    """Call the operation's `on_dead` hook after the commit, best effort."""
    hook = handlers.dead_hook(operation)
    if hook is not None:
        transaction.on_commit(lambda: hook(item_id, code, message), using=using, robust=True)


def release_unknown(using: str, worker: int, known: Collection[tuple[int, int]]) -> int:
    """Release what the database says this worker holds and `known` (item ids with tokens) does not have.

    That is what an answer lost on the wire leaves behind: claimed, and known to nobody. Returns how many.
    """
    rows = [
        outcomes.bare_row(item_id, held.token, outcomes.Released())
        for item_id, held in claiming.held(using, worker).items()
        if (item_id, held.token) not in known
    ]
    return len(write(using, rows)) if rows else 0
