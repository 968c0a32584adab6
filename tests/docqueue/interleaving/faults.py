"""Statements with a fault, each of which only shows when others come in between: the explorer has to find it."""

from __future__ import annotations

from typing import NamedTuple

from docqueue import store


class Fault(NamedTuple):
    """One change to the text of a statement, and a word of the promise that it breaks (or another, behind a bar)."""

    name: str
    statement: str
    old: str
    new: str
    breaks: str
    rare: bool = False  # it takes longer to find

    def text(self) -> str:
        """The statement with its fault."""
        sound = store.sql(self.statement)
        assert sound.count(self.old) == 1, f"the fault {self.name} is stale"
        return sound.replace(self.old, self.new)


FAULTS = [
    Fault("complete-without-fence", "complete", "and i.claim_token = d.token", "", "stale claim"),
    Fault("step-without-fence", "step", "and i.claim_token = d.token", "", "stale claim", rare=True),
    # (which the database's own trigger notices first)
    Fault("settle-without-fence", "settle", "where i.claim_token = a.token", "", "settle failed"),
    Fault(
        "claim-locks-nothing",
        "claim",
        "limit (select %(limit)s - count(*) from front)\n    for update skip locked",
        "limit (select %(limit)s - count(*) from front)",
        "claimed while",
    ),
    Fault(
        "cancel-locks-nothing",
        "cancel",
        "order by id for update",
        "order by id",
        "cancel of item",
    ),
    Fault(
        "settle-forgets-the-cancel",
        "settle",
        "i.cancel_requested_at is not null or a.target = 'cancelled' as cancelled",
        "a.target = 'cancelled' as cancelled",
        "not cancelled",
        rare=True,
    ),
    Fault(
        "reap-locks-nothing",
        "reap",
        "order by i.id limit %(limit)s\n    for update of i skip locked",
        "order by i.id limit %(limit)s",
        "reaped to pending, not cancelled|attempts are",
        rare=True,
    ),
    Fault(
        "claim-one-locks-nothing",
        "claim_one",
        "and status = 'pending' for update skip locked",
        "and status = 'pending'",
        "claimed while",
        rare=True,
    ),
    Fault(
        "reap-the-living",
        "reap",
        "and (w.lost_at is not null or w.stopped_at is not null) and",
        "and",
        "alive",
    ),
    Fault(
        "requeue-locks-nothing",
        "requeue",
        "    for update\n",
        "",
        "requeue of item",
    ),
    Fault(
        "promote-out-of-turn",
        "promote_keys",
        "order by i.id limit 1",
        "order by i.id desc limit 1",
        "let in before",
    ),
    Fault(
        "enqueue-past-the-line",
        "enqueue_ordered",
        "and not exists (\n                select from docqueue_item\n"
        "                where status = 'waiting' and wait_reason = 'ordering' and ordering_key = %(ordering_key)s\n"
        "            )",
        "",
        "let in before",
        rare=True,
    ),
    Fault(
        "lost-worker-claims",
        "claim",
        "lost_at is null and stopped_at is null",
        "stopped_at is null",
        "lost and claimed",
    ),
    Fault(
        "heartbeat-of-the-lost",
        "heartbeat",
        "and lost_at is null",
        "",
        "the lease of worker",
        rare=True,
    ),
    Fault(
        "unique-key-for-ever",
        "complete",
        "k.item_id = g.id and k.lifetime = 'finished'",
        "k.item_id = g.id and k.lifetime = 'never'",
        "unique key",
    ),
]
