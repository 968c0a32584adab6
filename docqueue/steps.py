"""Durable steps: what a handler has finished of its item, stored, so that a later attempt goes on behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from docqueue import store
from docqueue.exceptions import InvalidStep, LeaseLost
from docqueue.items import ClaimedItem
from docqueue.jsontext import result_text

NAME_MAX_LENGTH = 200


class Steps:
    """The steps of one run: those of earlier attempts are read once, at the first step."""

    def __init__(self, item: ClaimedItem, using: str) -> None:
        self.item = item
        self.using = using
        self._taken: set[str] = set()
        self._stored: dict[str, str | None] | None = None

    def take(self, name: str) -> None:
        """Use a name for a step of this run. Raises `InvalidStep` when it can not be one, or was used already."""
        if not isinstance(name, str) or not 0 < len(name) <= NAME_MAX_LENGTH or not name.isprintable():
            raise InvalidStep(f"A step's name is a string of 1 to {NAME_MAX_LENGTH} characters, not {name!r}.")
        if name in self._taken:
            raise InvalidStep(f"Item {self.item.id} has had a step {name!r} in this run already.")
        self._taken.add(name)

    def stored(self, name: str) -> tuple[bool, Any]:
        """Whether an earlier attempt has this step behind it, and its result.

        Raises `LeaseLost`, before anything is run, when the claim is not the newest any more at the first of them.
        """
        if self._stored is None:
            params = {"item_id": self.item.id, "token": self.item.claim_token}
            rows = store.run(self.using, "checkpoints", params)
            if not rows:
                raise LeaseLost(f"Item {self.item.id} is in other hands; its step {name!r} was not begun.")
            self._stored = {step: result for step, result in rows if step is not None}
        if name not in self._stored:
            return False, None
        text = self._stored[name]
        return True, None if text is None else json.loads(text)

    def run(self, name: str, function: Callable[[], Any], *, atomic: bool) -> Any:
        """Run a step that is not stored yet and store its result; returns it as later attempts will see it.

        Raises `LeaseLost` when the claim is not the newest any more; with `atomic` the step's writes are gone, too.
        """
        if not atomic:
            return self._store(name, function())
        with store.atomic(self.using):
            return self._store(name, function())

    def _store(self, name: str, result: Any) -> Any:
        text = result_text(result, what=f"The result of step {name!r}")
        params = {"item_id": self.item.id, "token": self.item.claim_token, "name": name, "result": text}
        rows = store.run(self.using, "checkpoint", params)
        if not rows:
            raise LeaseLost(f"Item {self.item.id} is in other hands; its step {name!r} was not stored.")
        return None if rows[0][0] is None else json.loads(rows[0][0])  # as jsonb has it: later attempts get the same
