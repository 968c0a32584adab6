"""Actors: threads that stop before each statement and each COMMIT until the scheduler lets them go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from queue import SimpleQueue
from random import Random
from typing import Any, NamedTuple

import pytest
from django.db import connections, transaction
from psycopg.pq import ExecStatus

from docqueue import store

USING = "default"
COMMIT, ROLLBACK = "commit", "rollback"
SPLIT = 0.6  # of the statements that commit by themselves, so many end as a step of its own


class Event(NamedTuple):
    """Something that an actor did or was told. `kind` is the name of a method of the judge."""

    kind: str
    args: tuple[Any, ...] = ()


class Abandoned(BaseException):
    """The schedule has failed: leave. No Exception, as those are reported by hooks and forgotten."""


@dataclass
class Clock:
    """What time it is for every statement: it passes when the scheduler says so."""

    now: datetime


_here = threading.local()


class Performer:
    """Whoever runs statements that are judged. This one is never stopped, and its events are judged at once."""

    undisturbed = True  # nobody else is in the midst of anything, so that no statement can wait
    waited = False

    def __init__(self, name: str, clock: Clock, judge: Callable[[str, Event], None] | None = None) -> None:
        self.name, self.clock, self._judge = name, clock, judge

    @contextmanager
    def on_stage(self) -> Iterator[None]:
        """Have the statements of this thread be this performer's."""
        _here.performer = self
        try:
            yield
        finally:
            _here.performer = None

    def pause(self, step: str) -> None:
        """Stop before `step`."""

    def splits(self) -> bool:
        """Whether the next statement that commits by itself does so in a step of its own."""
        return False

    def event(self, kind: str, *args: Any) -> None:
        """Something happened."""
        assert self._judge is not None
        self._judge(self.name, Event(kind, args))

    def perform(self, name: str, params: store.Params, run: Callable[[store.Params], Any]) -> Any:
        """Run one statement as a step, or as two: it, and its COMMIT."""
        self.pause(name)
        timed = {**params, "now": self.clock.now}
        if store.in_transaction(USING):
            return self._execute(name, timed, run)
        splits = self.splits()
        if not splits and self.undisturbed:
            answer = self._execute(name, timed, run)
            self.event("committed")
            return answer
        # Django is not told, so that the code goes its usual way: it is an autocommit statement, caught at its end,
        # when all is written and locked and nobody else can see it yet. One that has waited is always caught: whoever
        # waits for it in turn must be heard after it.
        _say("begin")
        try:
            answer = self._execute(name, timed, run)
            if splits or self.waited:
                self.pause(COMMIT)
        except BaseException:
            _say(ROLLBACK)
            self.event("rolled_back")
            raise
        _say(COMMIT)
        self.event("committed")
        return answer

    def _execute(self, name: str, params: store.Params, run: Callable[[store.Params], Any]) -> Any:
        try:
            answer = run(params)
        except Exception as error:
            self.event("failed", name, store.sqlstate(error), str(error))
            raise
        # a copy, as what the code does with its rows must not change what we have seen
        self.event("executed", name, params, tuple(answer) if isinstance(answer, list) else answer)
        return answer


def _say(command: str) -> None:
    result = connections[USING].connection.pgconn.exec_(command.encode())
    assert result.status == ExecStatus.COMMAND_OK, result.error_message


@dataclass
class Report:
    """What an actor did with its turn. `next`: the step before which it stands now; None when it has finished."""

    next: str | None
    events: list[Event] = field(default_factory=list)
    error: BaseException | None = None


class Actor(Performer):
    """A performer in a thread with a connection of its own, for as many schedules as there are."""

    def __init__(self, name: str, clock: Clock, reports: SimpleQueue[tuple[Actor, Report]]) -> None:
        super().__init__(name, clock)
        self.backend = 0
        self.next: str | None = None
        self._reports, self._events, self._dice = reports, list[Event](), Random()
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    # -- in the scheduler's thread -------------------------------------------------------------------------------

    def begin(self, program: Callable[[Actor], None], dice: Random) -> None:
        """Start a program, which runs up to its first step. A report follows."""
        self._dice = dice
        self._inbox.put(program)

    def go_on(self, *, undisturbed: bool) -> None:
        """Take the step before which it stands. A report follows, as soon as nobody's lock is in the way."""
        self.undisturbed, self.waited = undisturbed, False
        self._inbox.put(True)

    def abandon(self) -> None:
        """Leave the program instead. A report follows."""
        self._inbox.put(False)

    def dismiss(self) -> None:
        """End the thread, which must not be in a program."""
        self._inbox.put(None)
        self._thread.join(20)
        assert not self._thread.is_alive(), f"{self.name} does not leave"

    # -- in its own ----------------------------------------------------------------------------------------------

    def pause(self, step: str) -> None:
        self._report(step)
        if not self._inbox.get():
            raise Abandoned

    def splits(self) -> bool:
        return self._dice.random() < SPLIT

    def event(self, kind: str, *args: Any) -> None:
        self._events.append(Event(kind, args))

    def _report(self, step: str | None, error: BaseException | None = None) -> None:
        self._events, events = [], self._events
        self._reports.put((self, Report(step, events, error)))

    def _live(self) -> None:
        with store.own_connection(USING), self.on_stage():
            self.backend = prepare_session()
            self._report(None)
            while (program := self._inbox.get()) is not None:
                error = None
                try:
                    program(self)
                except Abandoned:
                    pass
                except BaseException as raised:  # noqa: BLE001 - the scheduler judges it
                    error = raised
                self._report(None, error)


def prepare_session() -> int:
    """Make this thread's session fast; returns its backend's number."""
    connection = connections[USING]
    with connection.cursor() as cursor:
        # An answer need not wait for the disk, nor a statement be planned anew: neither changes what others see.
        cursor.execute("set synchronous_commit = off")
        cursor.execute("set plan_cache_mode = force_generic_plan")
    return int(connection.connection.info.backend_pid)


@contextmanager
def hooked() -> Iterator[None]:
    """Have every statement and every transaction of a performer's thread go through that performer."""
    run, count, atomic = store.run, store.count, store.atomic

    def judged_run(using: str, name: str, params: store.Params) -> list[store.Row]:
        performer: Performer | None = getattr(_here, "performer", None)
        if performer is None:
            return run(using, name, params)
        return performer.perform(name, params, lambda timed: run(using, name, timed))  # type: ignore[no-any-return]

    def judged_count(using: str, name: str, params: store.Params) -> int:
        performer: Performer | None = getattr(_here, "performer", None)
        if performer is None:
            return count(using, name, params)
        return performer.perform(name, params, lambda timed: count(using, name, timed))  # type: ignore[no-any-return]

    @contextmanager
    def judged_atomic(using: str) -> Iterator[None]:
        performer: Performer | None = getattr(_here, "performer", None)
        if performer is None or store.in_transaction(using):
            with atomic(using):
                yield
            return
        committed = False

        def note() -> None:
            nonlocal committed
            committed = True
            performer.event("committed")

        try:
            with atomic(using):
                transaction.on_commit(note, using=using)  # the first of its hooks: the others run statements
                try:
                    yield
                except Exception:
                    performer.pause(ROLLBACK)
                    raise
                performer.pause(COMMIT)
        except BaseException:
            if not committed:
                performer.event("rolled_back")
            raise

    options = connections[USING].settings_dict["OPTIONS"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "run", judged_run)
        patch.setattr(store, "count", judged_count)
        patch.setattr(store, "atomic", judged_atomic)
        # Prepared statements take half the time: planning is most of what so small a table costs.
        patch.setitem(options, "server_side_binding", True)
        patch.setitem(options, "prepare_threshold", 0)
        yield
