"""The judge: what every committed statement said, replayed in the order of the commits, must make sense."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from docqueue.items import ClaimedItem
from tests.docqueue.interleaving.ledger import Rule, must
from tests.docqueue.interleaving.rules import Rules

UNIQUE_VIOLATION = "23505"
SETTLING = frozenset({"complete", "settle", "step"})
LOOKS = frozenset(
    {
        "lane_queues",
        "waiting_keys",
        "waiting_slots",
        "limited_queues",
        "waiting_reasons",
        "waiting_limits",
        "fair_queues",
        "unresolved_parents",
        "children_of",
        "status",
    }
)
COUNTED = frozenset({"register_worker", "heartbeat", "mark_lost", "take_keys", "key_holders"})  # no item comes first
WITH_KEY = frozenset({"complete"})  # it answers with an ordering key where others say how it became


class Judge(Rules):
    """Hears of everything that happens in one schedule, and raises `Violation` at the first thing that may not."""

    # -- what happens to an actor --------------------------------------------------------------------------------

    def executed(self, actor: str, name: str, params: dict[str, Any], answer: Any) -> None:
        """A statement has run; nobody else sees yet what it did."""
        self._actor = actor
        for other, statements in self.open.items():
            if other != actor:
                self.facts.update(f"{name} while {earlier} is uncommitted" for earlier, _ in statements)
        if name in LOOKS:
            return
        rule: Rule = getattr(self, f"_{name}")(params, answer)
        next(rule)
        self.open[actor].append((name, rule))

    def waits(self, actor: str, step: str, others: Iterable[str]) -> None:
        """An actor's step stands before a lock that others hold."""
        self.blocked.add(actor)
        self.facts["a statement waited"] += 1
        for other in others:
            who = "a settlement" if step in SETTLING else step
            self.facts.update(f"{who} waits for {earlier}" for earlier, _ in self.open[other])

    def committed(self, actor: str) -> None:
        """Its transaction has committed."""
        for _, rule in self.open.pop(actor, ()):
            next(rule, None)

    def rolled_back(self, actor: str) -> None:
        """Its transaction has rolled back."""
        for _, rule in self.open.pop(actor, ()):
            rule.close()

    def failed(self, actor: str, name: str, sqlstate: str, message: str) -> None:
        """A statement raised an error. One does by design: the loser of a race for an ordering key."""
        must((name, sqlstate) == ("promote_keys", UNIQUE_VIOLATION), f"{actor}: {name} failed: {sqlstate} {message}")
        self.facts["conflict over a key"] += 1

    def told_claims(self, actor: str, claims: Iterable[ClaimedItem]) -> None:
        """The caller of a claim got these items."""
        for claim in claims:
            known = self.claims.get((claim.id, claim.claim_no))
            must(known == (claim.claim_token, claim.worker_id), f"{actor} was given {claim}, which was not committed")

    def told(self, actor: str, claim: ClaimedItem, answer: str) -> None:
        """The caller of a write by `claim` got this answer: the item's new status, or lost."""
        wrote = self.answers.get((claim.id, claim.claim_token))
        must(wrote == answer, f"{actor} was told {answer} for item {claim.id}, and the statement said {wrote}")

    def told_of_another(self, actor: str, key: str, item_id: int) -> None:
        """The caller of an enqueue was told that this live item has the unique key already."""
        must(self.items[item_id].unique == key, f"{actor} was shown item {item_id} for the unique key {key}")
        self.facts["enqueue met a unique key"] += 1

    def in_words(self, name: str, *said: Any) -> str:
        """A statement with its answer, for the trace: the same each time, so items by their number and in order."""
        if isinstance(said[0], str):
            return f"{name} failed: {said[0]}"
        params, answer = said
        if name in LOOKS or not isinstance(answer, tuple):
            return name
        target = f" of {self._item(params['item_id'])}" if "item_id" in params else ""
        if name in COUNTED:
            return f"{name} → {len(answer)} rows"
        found = sorted(
            self._item(row[0]) if name in WITH_KEY else f"{self._item(row[0])} {row[1]}"
            for row in answer
            if len(row) > 1 and row[0] is not None
        )
        return f"{name}{target} → {', '.join(found) if found else f'{len(answer)} rows'}"

    def _item(self, item_id: int) -> str:
        return f"item {list(self.items).index(item_id) + 1}" if item_id in self.items else "new item"

    # -- at the end ----------------------------------------------------------------------------------------------

    def compare(self, live: list[dict[str, Any]], keys: dict[str, int]) -> None:
        """What is committed must be what the database holds when nobody is at work."""
        for row in live:
            row["next_retry_at"] = row["next_retry_at"] and datetime.fromisoformat(row["next_retry_at"])
        wanted = {i.id: i.row() for i in self.items.values() if i.live}
        found = {row["id"]: {name: row[name] for name in wanted.get(row["id"], row)} for row in live}
        must(found == wanted, f"the live items are\n{found}, and by what was answered\n{wanted}")
        must(keys == self.unique, f"unique keys are {keys}, and by what was answered {self.unique}")

    def compare_ends(self, finished: list[list[Any]], attempts: list[list[Any]]) -> None:
        """Each item ended once, as was answered, after as many claims as were given; and so did each claim."""
        wanted = sorted([i.id, i.status, i.claim_no, i.attempt, i.crashes] for i in self.items.values())
        must(sorted(finished) == wanted, f"the items ended as {sorted(finished)}, and by what was answered {wanted}")
        noted = sorted(tuple(row) for row in attempts)
        must(noted == sorted(self.attempts), f"attempts are {noted}, and by what was answered {sorted(self.attempts)}")
        claims = Counter(item_id for item_id, _ in self.claims)
        wanted_claims = {i.id: i.claim_no - i.claims_before for i in self.items.values()}
        must(claims == Counter(wanted_claims), f"claims are {claims}, and by their numbers {wanted_claims}")
