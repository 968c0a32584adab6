"""What a worker has seen end, for the totals: kept per queue and ten seconds, written by the duties' thread."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from operator import itemgetter

from docqueue import store

EVERY_SECONDS = 10.0
WORDS = ("completed", "cancelled", "dead")


class Ended:
    """Counts that are added to the totals every ten seconds, in one statement. Without a `worker` none are kept.

    The database's clock says to which ten seconds they belong; in between, ours, set right by what it said.
    """

    def __init__(self) -> None:
        self.worker: int | None = None
        self._lock = threading.Lock()
        self._behind = 0.0
        self._counts: defaultdict[tuple[str, int], dict[str, int]] = defaultdict(lambda: dict.fromkeys(WORDS, 0))

    def add(self, queue: str, word: str, number: int) -> None:
        """So many runs of items of this queue have just ended so."""
        if self.worker is not None and word in WORDS:
            at = int((time.time() + self._behind) // EVERY_SECONDS * EVERY_SECONDS)
            with self._lock:
                self._counts[queue, at][word] += number

    def write(self, using: str) -> int:
        """Add what has been counted since the last time. Returns how many rows; raises what the database does.

        What could not be written is kept. When only the answer was lost, it is counted twice until it is compared.
        """
        with self._lock:
            counts, self._counts = self._counts, self._counts.__class__(self._counts.default_factory)
        if not counts:
            return 0
        keys = sorted(counts, key=itemgetter(0, 1))
        numbers = {word: [counts[key][word] for key in keys] for word in WORDS}
        params = {"worker_id": self.worker, "queues": [q for q, _ in keys], "ats": [float(at) for _, at in keys]}
        began = time.time()
        try:
            rows = store.run(using, "add_finished", params | numbers)
        except BaseException:
            with self._lock:
                for key, kept in counts.items():
                    for word, number in kept.items():
                        self._counts[key][word] += number
            raise
        self._behind = rows[0][0] - (began + time.time()) / 2
        return len(rows)
