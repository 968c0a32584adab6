"""PostgreSQL that stops at once, again and again, as in a crash; and crashes between a commit and its flush."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

from django.db import InterfaceError, OperationalError

from docqueue import store
from docqueue.chaos import phases
from docqueue.chaos.storm import Storm
from docqueue.exceptions import ConfigurationError

ENQUEUERS = 2
PAUSE_SECONDS = (3.0, 10.0)


class Restart(Storm):
    """An immediate stop of PostgreSQL every 3 to 10 s, while two clients enqueue with keys and try again."""

    about = "PostgreSQL is stopped at once every 3 to 10 s, while clients enqueue with keys and try again"
    usual = {"items": 4000, "strikes": 8}
    lossy: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._open = threading.Event()  # clients wait while it is closed
        self._open.set()

    def prepare(self) -> None:
        """`Storm`: half of the items; the others come while it storms."""
        self.enqueue(self.items // 2)

    def strike(self) -> None:
        """`Storm`."""
        self.storm_with_clients(PAUSE_SECONDS)

    def storm_with_clients(self, pause: tuple[float, float]) -> None:
        """Clients enqueue the other half, and so often the database goes away."""
        share = (self.items - self.items // 2) // ENQUEUERS
        with ThreadPoolExecutor(ENQUEUERS) as pool:
            clients = [pool.submit(self._client, n, share) for n in range(ENQUEUERS)]
            for number in range(self.strikes):
                time.sleep(self.dice.uniform(*pause))
                if self.over(number):
                    break
                self.restart()
        for client in clients:
            client.result()  # raises what ended it

    def restart(self) -> None:
        """Stop PostgreSQL without a checkpoint, and wait until it is back."""
        postmaster = phases.parent(self.patiently(lambda: store.backend(self.using)))
        if not postmaster:
            raise ConfigurationError("PostgreSQL does not run on this machine: this storm can not stop it.")
        os.kill(postmaster, signal.SIGQUIT)  # as `pg_ctl stop -m immediate`
        store.close(self.using)
        deadline = time.monotonic() + 60
        while phases.parent(postmaster) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.ledger.write("crash", lossy=self.lossy)  # not before: its sessions commit until they are dead
        try:
            self.patiently(lambda: store.backend(self.using))
        except (OperationalError, InterfaceError) as error:
            raise ConfigurationError(
                "Nothing has started PostgreSQL again: run it under systemd or the like."
            ) from error
        self.ledger.write("back")

    def _client(self, number: int, count: int) -> None:
        """Enqueue one by one, each with a key of its own; one whose answer was lost is sent again."""
        with store.own_connection(self.using):
            for n in range(count):
                item, note = self.new_item()
                key = f"client-{number}-{n}"
                while True:
                    self._open.wait()
                    try:
                        made = self.service.enqueue(
                            None, item.operation, payload=item.payload, delay_seconds=item.delay_seconds, unique_key=key
                        )
                        break
                    except (OperationalError, InterfaceError):
                        store.close(self.using)
                        time.sleep(0.05)
                self.ledger.write("enqueued", id=made.id, unique=key, **note)
                time.sleep(0.005)


class Unflushed(Restart):
    """As `restart`, with workers that do not wait for the flush of what they commit.

    Each crash takes their last claims back, and others make them anew while handlers are still at them. The clients,
    whose commits would flush all that came before, pause for a moment before it.
    """

    about = "as restart, and a crash takes the last claims back: workers commit without waiting for the flush"
    lossy = True

    def environment(self, number: int) -> Mapping[str, str]:
        """`Storm`."""
        return {"PGOPTIONS": "-c synchronous_commit=off"}

    def restart(self) -> None:
        """`Restart`."""
        self._open.clear()
        time.sleep(self.dice.uniform(0.2, 0.6))
        super().restart()
        self._open.set()
