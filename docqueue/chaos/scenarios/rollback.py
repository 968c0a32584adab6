"""Clients whose transactions are rolled back, wholly or in part, also by ATOMIC_REQUESTS."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.core.handlers.base import BaseHandler
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse

from docqueue import store
from docqueue.chaos.handlers import OPERATION
from docqueue.chaos.storm import Storm
from docqueue.service import NewItem

CLIENTS = 4
MOST = 12  # enqueues of one transaction
ROLLED_BACK = 0.3


class _Undo(Exception):
    """What ends a transaction that is to be rolled back."""


class Rollback(Storm):
    """Clients enqueue while the workers are at it; three of ten enqueues are rolled back and must never be seen."""

    about = "clients of whose enqueues 30 % are rolled back: transactions, savepoints, ATOMIC_REQUESTS"

    def prepare(self) -> None:
        """`Storm`: nothing is there when the workers start."""

    def strike(self) -> None:
        """`Storm`."""
        seeds = [self.dice.randrange(2**32) for _ in range(CLIENTS)]
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self._client, seed, self.items // CLIENTS) for seed in seeds]
        for client in clients:
            client.result()  # raises what ended it

    def _client(self, seed: int, count: int) -> None:
        dice = random.Random(seed)  # noqa: S311 - as the storm's
        ways: list[Callable[[random.Random, int], tuple[list[int], list[int]]]] = [
            self._transaction, self._savepoints, self._request
        ]  # fmt: skip
        done = 0
        with store.own_connection(self.using):
            while done < count:
                kept, undone = dice.choice(ways)(dice, dice.randint(1, MOST))
                done += len(kept) + len(undone)
                if undone:
                    self.ledger.write_many("rolled_back", [{"id": i} for i in undone])
                if kept:
                    self.ledger.write_many("enqueued", [{"id": i} for i in kept])

    def _some(self, dice: random.Random, count: int) -> list[int]:
        payload = {"seconds": 0.001, "complete_seconds": 0.0}
        if dice.random() < 0.5:
            return self.service.enqueue_many([NewItem(operation=OPERATION, payload=payload)] * count)
        return [self.service.enqueue(None, OPERATION, payload=payload).id for _ in range(count)]

    def _transaction(self, dice: random.Random, count: int) -> tuple[list[int], list[int]]:
        ids: list[int] = []
        try:
            with transaction.atomic(using=self.using):
                ids += self._some(dice, count)
                if dice.random() < ROLLED_BACK:
                    raise _Undo
        except _Undo:
            return [], ids
        return ids, []

    def _savepoints(self, dice: random.Random, count: int) -> tuple[list[int], list[int]]:
        kept: list[int] = []
        undone: list[int] = []
        with transaction.atomic(using=self.using):
            for _ in range(count):
                inner, back = self._transaction(dice, 1)
                kept += inner
                undone += back
        return kept, undone

    def _request(self, dice: random.Random, count: int) -> tuple[list[int], list[int]]:
        """As in a view of a project with ATOMIC_REQUESTS: Django's own wrapper, around one that fails at its end."""
        ids: list[int] = []
        fails = dice.random() < ROLLED_BACK

        def view(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django passes it
            ids.extend(self._some(dice, count))
            if fails:
                raise _Undo
            return HttpResponse()

        connections[self.using].settings_dict["ATOMIC_REQUESTS"] = True
        try:
            BaseHandler().make_view_atomic(view)(HttpRequest())
        except _Undo:
            return [], ids
        finally:
            connections[self.using].settings_dict["ATOMIC_REQUESTS"] = False
        return ids, []
