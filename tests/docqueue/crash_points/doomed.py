"""The process that acts a scene and dies at one of its statements: before it is sent, or after its commit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

from django.db import connections

from docqueue import store, waking
from docqueue.service import DocumentQueueService
from tests.docqueue.crash_points.snapshot import Snapshot, snapshot

NAME = "docqueue-doomed"  # what PostgreSQL calls its session
COMMIT = "commit"
Point = tuple[Literal["before", "after"], int]


@dataclass(frozen=True)
class Event:
    """A statement or a commit of a scene. `then`: what the database says from now on, if that is committed."""

    name: str
    then: Snapshot | None


class Witness:
    """Counts statements and commits; dies at `point`, or notes what follows from each where there is none."""

    def __init__(self, point: Point | None) -> None:
        self.point = point
        self.events: list[Event] = []
        self._beside = connections["default"].copy() if point is None else None

    def around(self, name: str, call: Callable[[], Any]) -> Any:
        """Make the call, or die before or after it."""
        number = len(self.events)
        self._reach(("before", number))
        wrapper = connections["default"]
        try:
            result = call()
        except BaseException:
            self.events.append(Event(name, None))
            raise
        boundary = name == COMMIT or not wrapper.in_atomic_block
        self.events.append(Event(name, self._look() if boundary else None))
        self._reach(("after", number))
        return result

    def _look(self) -> Snapshot | None:
        if self._beside is None:
            return None
        with self._beside.cursor() as cursor:
            return snapshot(cursor)

    def _reach(self, point: Point) -> None:
        if point == self.point:
            os.kill(os.getpid(), signal.SIGKILL)


def watch(witness: Witness) -> None:
    """Have every statement file, COPY and commit of this process pass by the witness."""
    wrapper = connections["default"]
    with wrapper.cursor() as cursor:
        cursor.execute("select set_config('application_name', %s, false)", [NAME])
    waking.QUIET_SECONDS = 0.0  # whether it notifies must not hang on how quick it is
    run, count, copy_items, commit = store.run, store.count, store.copy_items, wrapper._commit
    store.run = lambda using, name, params: witness.around(name, lambda: run(using, name, params))
    store.count = lambda using, name, params: witness.around(name, lambda: count(using, name, params))
    store.copy_items = lambda using, columns, chunks: witness.around("copy", lambda: copy_items(using, columns, chunks))
    wrapper._commit = lambda: witness.around(COMMIT, commit)


def main(
    act: Callable[[DocumentQueueService, Any], None], given: Any, point: Point | None, database: str, to: Connection
) -> None:
    """Entry of the process: tells what happened, unless it dies before."""
    connections["default"].settings_dict["NAME"] = database
    witness = Witness(point)
    watch(witness)
    act(DocumentQueueService(), given)
    to.send(witness.events)
