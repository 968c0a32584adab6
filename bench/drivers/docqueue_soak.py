"""A steady stream with everything that makes an item late: delays, retries, transactions that commit late."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path
from typing import Any

import driving
from django.db import connection, transaction

from docqueue.service import DocumentQueueService, NewItem

SLICE_SECONDS = 0.02
SHARE = 0.05  # of the items, each: delayed, retried, committed late
SECONDS = (1.0, 20.0)


class Late(threading.Thread):
    """One transaction that stays open for a while after its items were enqueued."""

    def __init__(self, numbers: list[int], due: memoryview) -> None:
        super().__init__(daemon=True)
        self.numbers, self.due = numbers, due

    def run(self) -> None:
        try:
            with transaction.atomic():
                DocumentQueueService().enqueue_many(_plain(n) for n in self.numbers)
                time.sleep(random.uniform(*SECONDS))
            now = time.monotonic_ns()
            for n in self.numbers:
                self.due[n] = now
        finally:
            connection.close()


def _plain(n: int) -> NewItem:
    return NewItem(operation="bench.soak", payload=driving.payload(n))


def feed(minutes: float, rate: int) -> dict[str, Any]:
    """Enqueue `rate` items a second; BENCH_DUE gets when each may start (of a retry, its handler knows)."""
    due = driving.shared(Path(os.environ["BENCH_DUE"]))
    service = DocumentQueueService()
    threads: list[Late] = []
    late: list[int] = []
    sent, began, gathered = 0, time.monotonic(), time.monotonic()
    while (elapsed := time.monotonic() - began) < minutes * 60:
        wanted = min(int(elapsed * rate), len(due)) - sent
        items = []
        for n in range(sent, sent + wanted):
            kind = random.random()
            if kind < SHARE:
                late.append(n)
            elif kind < 2 * SHARE:
                delay = random.uniform(*SECONDS)
                due[n] = time.monotonic_ns() + int(delay * 1e9)
                items.append(NewItem(operation="bench.soak", payload=driving.payload(n), delay_seconds=delay))
            elif kind < 3 * SHARE:
                again = driving.payload(n) | {"retry_seconds": random.uniform(*SECONDS)}
                items.append(NewItem(operation="bench.soak", payload=again))
            else:
                due[n] = time.monotonic_ns()
                items.append(_plain(n))
        if items:
            service.enqueue_many(items)
        sent += wanted
        if time.monotonic() - gathered > 0.5 and late:  # some 40 late transactions are open at a time
            threads.append(Late(late, due))
            threads[-1].start()
            late, gathered = [], time.monotonic()
        time.sleep(SLICE_SECONDS)
    if late:
        threads.append(Late(late, due))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return {"sent": sent}
