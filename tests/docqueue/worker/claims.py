"""What the tests of the lanes share: a claim as a worker makes it, and the plan of its statement."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from docqueue import settling, store
from docqueue.service import ClaimedItem
from docqueue.worker.lanes import Lanes
from tests.docqueue.helpers import worker

INSERT = """
insert into docqueue_item (
    queue, priority, position, status, operation, payload, metadata, max_attempts, timeout_seconds)
values ('default', 0, nextval('docqueue_position_seq'), 'pending', 'test.noop', '{}', '{}', 5, 60)
returning id
"""


def claim(lanes: Lanes, limit: int = 100, queue: str = "default") -> list[ClaimedItem]:
    """Claim as a worker's talk does."""
    step = settling.step("default", worker(None), [], queue=queue, starts=lanes.starts(queue, limit), limit=limit)
    lanes.claimed(queue, step.claimed, limit, step.returned)
    return step.claimed


def step_params(me: int, starts: settling.Starts, limit: int) -> dict[str, Any]:
    """What step.sql is given."""
    params = {
        "ids": "{}",
        "tokens": "{}",
        "results": None,
        "worker_id": me,
        "token": 1,
        "queue": "default",
        "now": None,
    }
    return params | vars(starts) | {"limit": limit, "dependencies": False, "fair": False}


def explained(cursor: Any, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """The plan of a statement that is run, as `store.run` has it made."""
    text = "explain (analyze, buffers, format json) " + store.sql(name)
    if name in store.BY_INDEX:
        text = f"{store.BY_INDEX_LOCALLY}; {text}"
    cursor.execute(text, {"now": None, **params})
    while cursor.nextset():
        pass
    found = cursor.fetchone()[0]
    plan: dict[str, Any] = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's nodes."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)
