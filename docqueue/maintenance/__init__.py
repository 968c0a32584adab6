"""Duties: what must be done again and again. One file a duty, each `run(using, now) -> int` with `EVERY_SECONDS`.

Every worker runs them all; the statements skip what another worker has locked, so nobody needs to be elected.
"""

from docqueue.maintenance import partitions, promote, prune, reap

DUTIES = (reap, promote, partitions, prune)
