"""What each statement may answer, and what it does to an item: one rule a statement, named for it.

Rows are locked until the commit, so statements that touch one item commit in the order in which they changed it. Each
rule has two halves: before its `yield` the statement has just been executed, and `self` is what others had committed by
then; behind it the statement is committed, and takes effect.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from docqueue.items import PAYLOAD, ClaimedItem
from tests.docqueue.interleaving.ledger import DUE, Item, Ledger, Rule, must


class Rules(Ledger):
    """The rules. `params` are the statement's parameters, `rows` its answer."""

    # -- workers -------------------------------------------------------------------------------------------------

    def _register_worker(self, params: dict[str, Any], rows: Any) -> Rule:
        yield
        self.leases[rows[0][0]] = params["now"] + timedelta(seconds=params["lease_seconds"])

    def _heartbeat(self, params: dict[str, Any], rows: Any) -> Rule:
        worker = params["worker_id"]
        must(bool(rows) == (worker not in self.lost), f"the lease of worker {worker}: renewed {bool(rows)}")
        self.facts["heartbeat refused"] += not rows
        yield
        if rows:
            must(worker not in self.lost, f"worker {worker} came back from the lost")
            self.leases[worker] = params["now"] + timedelta(seconds=params["lease_seconds"])

    def _mark_lost(self, params: dict[str, Any], rows: Any) -> Rule:
        lost = {worker for worker, _ in rows if worker is not None}
        for worker in lost:
            must(self.leases[worker] < params["now"], f"worker {worker} was marked lost while its lease stood")
        yield
        self.lost |= lost

    def _reap(self, params: dict[str, Any], rows: Any) -> Rule:
        for item_id, status, *_ in rows:
            item = self.items[item_id]
            must(item.status == "in_progress", f"item {item_id} was reaped while {item.status}")
            must(item.worker in self.lost, f"item {item_id} was reaped, and its worker is alive")
            fatal = item.suspect and item.crashes + 1 >= params["max_crashes"]
            wanted = "cancelled" if item.cancel else "dead" if fatal else "pending"
            must(status == wanted, f"item {item_id} was reaped to {status}, not {wanted}")
        yield
        for item_id, status, *_ in rows:
            item = self.items[item_id]
            must(item.status == "in_progress", f"item {item_id} was reaped and {item.status} at once")
            self.attempts.append((item_id, item.claim_no, "crashed" if item.suspect else "lease_lost"))
            self.facts["claim reaped"] += 1
            self.reaped.add((item_id, item.token))
            self.facts["cancel honoured by the reaper"] += status == "cancelled"
            self.facts["dead by crashes"] += status == "dead"
            item.worker = item.token = None
            if status == "cancelled":
                self._end(item, status)
                continue
            item.crashes += item.suspect
            item.attempt -= 1
            item.status, item.returned, item.suspect = "pending", True, True
            if status == "dead":
                self._end(item, status)

    # -- claiming and settling -----------------------------------------------------------------------------------

    def _claimed(self, params: dict[str, Any], rows: Iterable[tuple[Any, ...]]) -> Rule:
        """Any claim."""
        claims = [ClaimedItem._make(row) for row in rows]
        self._of_the_living(params["worker_id"], rows)
        for claim in claims:
            must(claim.claim_token not in self.tokens, f"the token of item {claim.id}'s claim was used before")
        tokens = {claim.claim_token for claim in claims}
        self.tokens |= tokens
        done = False
        try:
            yield
            done = True
        finally:
            if not done:
                self.undone |= tokens
        for claim in claims:
            self._take(claim)

    def _of_the_living(self, worker: int, rows: Any) -> None:
        must(not rows or worker not in self.lost, f"worker {worker} is lost and claimed")

    def _claim(self, params: dict[str, Any], rows: Any) -> Rule:
        self._of_the_living(params["worker_id"], rows)
        free = [i for i in self.items.values() if i.status == "pending" and not i.suspect]
        wanted = 0 if params["worker_id"] in self.lost else min(params["limit"], len(free))
        if self.alone(self._actor):
            must(len(rows) == wanted, f"{len(rows)} items were claimed, and {wanted} were free")
        self.facts["claim passed over what another was taking"] += len(rows) < wanted
        yield from self._claimed(params, rows)

    def _claim_suspect(self, params: dict[str, Any], rows: Any) -> Rule:
        suspects = [i for i in self.items.values() if i.status == "pending" and i.suspect]
        if self.alone(self._actor) and params["worker_id"] not in self.lost:
            must(len(rows) == min(1, len(suspects)), f"{len(rows)} suspects were claimed of {len(suspects)}")
        yield from self._claimed(params, rows)

    def _claim_one(self, params: dict[str, Any], rows: Any) -> Rule:
        pending = self.items[params["item_id"]].status == "pending"
        must(not self.alone(self._actor) or bool(rows) == pending, f"claim of item {params['item_id']}: {bool(rows)}")
        yield from self._claimed(params, rows)

    def _step(self, params: dict[str, Any], rows: Any) -> Rule:
        *claims, last = rows
        ids, tokens = ([int(n) for n in params[name].strip("{}").split(",") if n] for name in ("ids", "tokens"))
        told = json.loads(last[PAYLOAD])
        done = ids if told["completed"] == len(ids) else told["ids"] or ()
        completing = self._complete({"ids": ids, "tokens": tokens}, [(item_id,) for item_id in done])
        claiming = self._claimed(params, claims)
        followers = [item for item in (self.items[row[0]] for row in claims) if item.in_line]
        for item in followers:  # next in line of a key that is let go here, by what is committed now
            before = [i.id for i in self._line(item.key) if i.id < item.id]
            must(not before, f"item {item.id} of key {item.key} was let in before {before}")
        next(completing)
        next(claiming)
        try:
            yield
        except GeneratorExit:
            claiming.close()
            raise
        next(completing, None)
        for item in followers:
            must(
                item.in_line and not self._holders(item.key), f"item {item.id} took key {item.key}, which was not free"
            )
            item.status, item.reason, item.holds = "pending", None, True
            self.facts["claimed from its key's line"] += 1
        next(claiming, None)

    def _complete(self, params: dict[str, Any], rows: Any) -> Rule:
        done = {row[0] for row in rows}
        fences = dict(zip(params["ids"], params["tokens"], strict=True))
        for item_id, token in fences.items():
            self._fence(item_id, token, "completed" if item_id in done else None)
        yield
        for item_id in done:
            item = self._leave(item_id, fences[item_id])
            self.facts["completed in spite of a cancel"] += item.cancel
            self._end(item, "completed")

    def _settle(self, params: dict[str, Any], rows: Any) -> Rule:
        became = {row[0]: row[1] for row in rows}
        asked = json.loads(params["rows"])
        for ask in asked:
            self._fence(ask["id"], ask["token"], became.get(ask["id"]))
            if ask["id"] in became:
                wanted = "cancelled" if self.items[ask["id"]].cancel else ask["target"]
                must(became[ask["id"]] == wanted, f"item {ask['id']} became {became[ask['id']]}, not {wanted}")
        yield
        for ask in asked:
            if ask["id"] in became:
                self._exit(ask, became[ask["id"]], params["now"])

    def _exit(self, ask: dict[str, Any], status: str, now: datetime) -> None:
        item = self._leave(ask["id"], ask["token"])
        if ask["outcome"] is not None:
            self.attempts.append((item.id, item.claim_no, ask["outcome"]))
        if status == "cancelled":
            self.facts["cancel honoured by a settlement"] += 1
            self._end(item, status)
            return
        item.attempt -= ask["attempts_back"]
        item.crashes += ask["crashes"]
        item.suspect |= ask["suspect"]
        item.status, item.reason, item.returned = status, ask["wait_reason"], status == "pending"
        item.next_at = now + timedelta(seconds=ask["delay_seconds"]) if status == "waiting" else None
        if status == "dead":
            self._end(item, status)

    def _audit(self, params: dict[str, Any], rows: Any) -> Rule:
        """It changes nothing that an item could tell."""
        yield

    _forget_caller = _sweep = _audit

    def _unsweep(self, params: dict[str, Any], changed: int) -> Rule:
        self.facts["claim committed after its worker was swept"] += changed
        yield

    # -- admission -----------------------------------------------------------------------------------------------

    def _promote_due(self, params: dict[str, Any], rows: Any) -> Rule:
        for item_id, status, *_ in rows:
            item = self.items[item_id]
            due = item.status == "waiting" and item.reason in DUE and item.next_at <= params["now"]
            must(due, f"item {item_id} was promoted before its time: {item}")
            wanted = "pending" if item.key is None or item.holds else "waiting"
            must(status == wanted, f"item {item_id} was promoted to {status}, not {wanted}")
        yield
        for item_id, status, *_ in rows:
            item = self.items[item_id]
            must(item.status == "waiting" and item.reason in DUE, f"item {item_id} was promoted while {item.status}")
            item.status, item.next_at = status, None
            item.reason = None if status == "pending" else "ordering"
            item.returned = status == "pending" and item.suspect

    def _promote_keys(self, params: dict[str, Any], rows: Any) -> Rule:
        for item_id, _, _, _, key, _ in rows:
            self._turn(key, item_id)
        yield
        for item_id, _, _, _, key, _ in rows:
            item = self.items[item_id]
            must(item.in_line and not self._holders(key), f"item {item_id} took key {key}, which was not free")
            item.status, item.reason, item.holds, item.returned = "pending", None, True, item.suspect

    def _turn(self, key: str, item_id: int) -> None:
        """An item takes its key: nobody may hold it, nor stand before it in line."""
        held = [i.id for i in self._holders(key)]
        must(not held, f"item {item_id} took key {key} from {held}")
        before = [i.id for i in self._line(key) if i.id < item_id]
        must(not before, f"item {item_id} of key {key} was let in before {before}")

    # -- producing and people ------------------------------------------------------------------------------------

    def _inserted(self, params: dict[str, Any], rows: Any) -> Rule:
        """Any enqueue."""
        yield
        for item_id, status, reason, *_ in rows:
            key = params["ordering_key"]
            item = Item(item_id, key, params["unique_key"], params["max_attempts"], status, reason)
            if reason == "delayed":
                item.next_at = params["now"] + timedelta(seconds=params["delay_seconds"])
            if key is not None and status == "pending":
                must(not self._holders(key), f"item {item_id} took key {key}, which was not free")
                item.holds = True
            self.items[item_id] = item

    _enqueue = _enqueue_in_line = _enqueue_later = _inserted

    def _enqueue_ordered(self, params: dict[str, Any], rows: Any) -> Rule:
        key = params["ordering_key"]
        for item_id, status, *_ in rows:
            if status == "pending":
                self._turn(key, item_id)
            else:
                must(bool(self._holders(key) or self._line(key)), f"item {item_id} waits in line for a free key")
        self.facts["enqueue could not tell whose turn it was"] += not rows
        yield from self._inserted(params, rows)

    def _take_keys(self, params: dict[str, Any], rows: Any) -> Rule:
        yield
        for (key,) in rows:
            must(key not in self.unique, f"unique key {key} has two live items")
            self.unique[key] = 0

    def _assign_key(self, params: dict[str, Any], rows: Any) -> Rule:
        yield
        self.unique[params["key"]] = params["item_id"]

    def _key_holders(self, params: dict[str, Any], rows: Any) -> Rule:
        for key, item_id, *_ in rows:
            must(self.unique.get(key) == item_id, f"unique key {key} is not item {item_id}'s")
        yield

    def _free_keys(self, params: dict[str, Any], changed: int) -> Rule:
        must(changed == 0, "a unique key was left behind by an item that ended")
        yield

    def _cancel(self, params: dict[str, Any], rows: Any) -> Rule:
        [item_id] = params["ids"]
        item = self.items[item_id]
        running = item.status == "in_progress"
        wanted = [] if item.status not in params["statuses"] else ["in_progress" if running else "cancelled"]
        must([row[1] for row in rows] == wanted, f"cancel of item {item.id} ({item.status}) answered {rows}")
        yield
        if wanted == ["in_progress"]:
            must(item.status == "in_progress", f"item {item.id} was asked to stop while {item.status}")
            item.cancel = True
        elif wanted:
            must(item.status != "in_progress", f"item {item.id} was cancelled while somebody ran it")
            self._end(item, "cancelled")

    def _requeue(self, params: dict[str, Any], rows: Any) -> Rule:
        item = self.items[params["item_id"]]
        may = item.status == "dead" or (item.status == "waiting" and item.reason in DUE)
        must(bool(rows) == may, f"requeue of item {item.id} ({item.status}, {item.reason}) answered {rows}")
        yield
        if not rows:
            return
        _, status, reason, *_ = rows[0]
        must(item.live and item.status in ("dead", "waiting"), f"item {item.id} was requeued while {item.status}")
        if item.status == "dead":
            item.attempt, item.crashes = 0, 0
        item.status, item.reason, item.cancel = status, reason, False
        delay = timedelta(seconds=params["delay_seconds"])
        item.next_at = params["now"] + delay if reason == "delayed" else None
        item.returned = status == "pending" and item.suspect
