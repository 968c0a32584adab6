"""Items that harm their own process, among many that do not."""

from __future__ import annotations

from docqueue.chaos.handlers import POISON
from docqueue.chaos.poisons import CODES
from docqueue.chaos.storm import Storm
from docqueue.service import NewItem


class Poison(Storm):
    """Of each kind some: each of them is to end dead with its code, and nobody else is to be charged for it."""

    about = "items that segfault, exit, take all memory, never end or recurse without end, among harmless ones"
    max_crashes = 3
    usual = {"strikes": 20}

    def prepare(self) -> None:
        """`Storm`: `strikes` poisonous items, spread over the backlog."""
        kinds = list(CODES)
        each = max(1, self.items // max(1, self.strikes))
        for number in range(self.strikes):
            self.enqueue(each)
            kind = kinds[number % len(kinds)]
            [item_id] = self.service.enqueue_many([NewItem(operation=POISON, payload={"kind": kind})])
            self.ledger.write("enqueued", id=item_id, poison=kind)

    def strike(self) -> None:
        """`Storm`: they do it themselves."""
