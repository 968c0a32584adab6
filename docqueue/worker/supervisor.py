"""`manage.py run_queue_worker`: the supervisor. It claims, settles, renews its lease and stops in good order."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.db import Error as DatabaseError

from docqueue import claiming, events, history, store
from docqueue.conf import get_settings
from docqueue.duties import Duty
from docqueue.models import Worker
from docqueue.worker import ended, talker
from docqueue.worker.duties import Duties
from docqueue.worker.inline import InlinePool
from docqueue.worker.lease import Lease
from docqueue.worker.limits import MIB
from docqueue.worker.loop import WorkLoop
from docqueue.worker.memory import Processor, own_rss_bytes
from docqueue.worker.outage import Outage, be_impatient
from docqueue.worker.pace import Pace
from docqueue.worker.pool import CHILD_EXIT_SECONDS, ProcessPool
from docqueue.worker.signals import StopSignals
from docqueue.worker.tally import Tally

TOLD_SECONDS = 2.0
NEW_OBJECTS = 20_000  # between two looks of the garbage collector; Python's own figure is 700


@dataclass(frozen=True, kw_only=True)
class Options:
    """What one worker was told. `drain`: end when nothing is left that could be claimed now."""

    using: str
    queues: Sequence[str] = ()
    exclude: Sequence[str] = ()
    processes: int = 2
    threads: int = 0
    in_process: bool = False
    grace_seconds: float = 30.0
    max_items: int | None = None
    drain: bool = False
    name: str = ""
    heartbeat_file: Path | None = None


@contextlib.contextmanager
def rarely_collected() -> Iterator[None]:
    """Have the garbage collector leave alone what is there now, and look at what is new less often.

    Items come and go by the hundred and make no cycles: looking for some took a twelfth of a worker's time.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@dataclass(kw_only=True)
class Supervisor:
    """One worker process. `run` returns when it was told to stop; a lost lease starts it anew under a new row."""

    options: Options
    tally: Tally = field(default_factory=Tally)
    _lease: Lease | None = None
    _loop: WorkLoop | None = None
    _processor: Processor = field(default_factory=Processor)
    _told: Pace = field(default_factory=lambda: Pace(TOLD_SECONDS))

    def at_work(self) -> str:
        """What it is doing, in a few words."""
        loop = self._loop
        if loop is None:
            return "starting"
        if loop.outage.lasts:
            return "waiting for the database"
        running = f"{loop.pool.held():,} in {loop.pool.size} processes, {len(loop.buffer):,} next"
        state = "stopping: " if loop.stopping else "quiet: " if loop.last.orders else ""
        return f"{state}{running}"

    def run(self) -> Tally:
        """Work until TERM or INT (or, with `drain` or `max_items`, until done)."""
        signals = StopSignals(self.options.grace_seconds)
        be_impatient(self.options.using)
        with signals.installed(), rarely_collected():
            # Before any connection or thread of ours: the fork server starts clean.
            pool = self._make_pool()
            duties = Duties(self.options.using, self._calm, [self._counting()])
            try:
                pool.start()
                while not signals.count:
                    worker = self._register(signals)
                    if worker is None or self._serve(worker, pool, duties, signals):
                        break
            finally:
                pool.close(CHILD_EXIT_SECONDS)
                if duties.is_alive():
                    duties.stop()
        return self.tally

    def _make_pool(self) -> ProcessPool | InlinePool:
        options = self.options
        if options.in_process:
            return InlinePool(options.using)
        return ProcessPool(options.using, options.processes, threads=options.threads)

    def _counting(self) -> Duty:
        return Duty(name="ended", run=self.tally.ended.write, every_seconds=ended.EVERY_SECONDS, paced=False)

    def _calm(self) -> bool:
        return self._lease is not None and self._lease.calm()

    def _register(self, signals: StopSignals) -> int | None:
        """A new worker row; waits for the database as long as it takes. None: told to stop meanwhile."""
        options, outage = self.options, Outage(self.options.using)
        while True:
            try:
                history.ensure(options.using, weeks=history.WEEKS_AHEAD)
                worker = claiming.register(
                    options.using,
                    Worker.Kind.WORKER,
                    lease_seconds=get_settings().LEASE_SECONDS,
                    name=options.name,
                    queues=options.queues,
                    excluded=options.exclude,
                    processes=1 if options.in_process else options.processes + options.threads,
                )
            except DatabaseError as error:
                outage.failed(error)
                signals.wait(outage.until - time.monotonic())
                if signals.count:
                    return None
                continue
            outage.over()
            queues = ",".join(options.queues) or "all"
            events.emit(events.EventName.WORKER_STARTED, worker_id=worker, queues=queues, processes=options.processes)
            return worker

    def _serve(self, worker: int, pool: ProcessPool | InlinePool, duties: Duties, signals: StopSignals) -> bool:
        """Serve under one worker row. True: done; False: the lease was lost, start anew."""
        options, settings = self.options, get_settings()
        self.tally.ended.worker = worker
        beat = (settings.LEASE_SECONDS, settings.heartbeat_seconds, options.heartbeat_file)
        lease = self._lease = Lease(options.using, worker, *beat)
        lease.start()
        if not duties.is_alive():
            duties.start()
        loop = self._loop = WorkLoop(
            using=options.using,
            worker=worker,
            pool=pool,
            lease=lease,
            serve=options.queues,
            exclude=options.exclude,
            limit=options.max_items,
            wake=[signals.fd],
            tally=self.tally,
            make_talker=talker.start,
            lender=duties,
        )
        try:
            while not signals.count and not self._done(loop):
                loop.tick()
                self._look_around(loop, lease, signals)
                if lease.lost.is_set():
                    pool.close()
                    pool.start()
                    return False
            self._stop(loop, lease, signals)
            return True
        except BaseException:
            with contextlib.suppress(DatabaseError):  # what follows is politeness; the error is what counts
                loop.cut_off()
                loop.sign_off()
            raise
        finally:
            lease.stop()
            loop.talks.close()
            store.close(options.using)

    def _look_around(self, loop: WorkLoop, lease: Lease, signals: StopSignals) -> None:
        """Take in a change of the number of processes, and have the lease tell what each of them is at."""
        if signals.resized:
            signals.resized = False
            signals.drain()
            more, signals.more = signals.more, 0
            loop.buffer.put_back(loop.pool.resize(loop.pool.size + more))
            events.emit(events.EventName.WORKER_RESIZED, worker_id=loop.worker, processes=loop.pool.size)
        if loop.last.orders == Worker.Asked.STOP and not signals.count:
            signals.stop()
        now = time.monotonic()
        if self._told.due(now):
            self._told.took(now, 0.0)
            database = "reconnecting" if loop.outage.lasts else "ok"
            me = os.getpid()
            about = {"processes": loop.pool.size, "database": database, "slots": loop.pool.slots(now)}
            about |= {"rss_mb": own_rss_bytes() // MIB, "cpu": self._processor.look([me], now)[me]}
            lease.info = json.dumps(about)

    def _done(self, loop: WorkLoop) -> bool:
        if loop.in_hand():
            return False
        if self.options.max_items is not None and loop.claimed >= self.options.max_items:
            return True
        return self.options.drain and loop.looked_in_vain()

    def _stop(self, loop: WorkLoop, lease: Lease, signals: StopSignals) -> None:
        """Claim nothing, hand back what has not started, let the running finish within the grace period."""
        events.emit(events.EventName.WORKER_STOPPING, worker_id=loop.worker, running=loop.pool.held())
        loop.stop()
        deadline = time.monotonic() + self.options.grace_seconds
        while loop.busy() and not lease.lost.is_set():
            signals.drain()
            if signals.count > 1 or time.monotonic() >= deadline:
                loop.cut_off()
                break
            loop.tick()
        lease.stop()
        loop.sign_off()
        self.tally.sum_up()
        events.emit(events.EventName.WORKER_STOPPED, worker_id=loop.worker, **self.tally.as_dict())
