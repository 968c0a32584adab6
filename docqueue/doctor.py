"""`queue_doctor`: what is wrong around a queue, or soon will be, each finding with how to mend it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from django.conf import settings as django_settings
from django.db import DatabaseError, InterfaceError, connections

from docqueue import conf, handlers, health, stats, store
from docqueue.models import Schedule
from docqueue.service import DocumentQueueService

VERSIONS = range(15, 19)
CLOCK_SECONDS = 1.0
SNAPSHOT_SECONDS = 900.0
CONNECTIONS_SHARE = 0.9
WRAPAROUND_AGE = 1_000_000_000
DEAD_ROWS = 100_000
SCHEDULES_SHOWN = 10


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at. `hint`: what to do about it; empty where all is well."""

    level: Level
    about: str
    said: str
    hint: str = ""


def examine(using: str | None = None) -> list[Finding]:
    """Look at everything. Never raises for what is wrong; changes nothing."""
    wrong = conf.problems(getattr(django_settings, "DOCQUEUE", {}))
    if wrong:
        return [_bad("settings", problem, "Correct DOCQUEUE in the settings: docs/settings.md.") for problem in wrong]
    found = [_ok("settings", "DOCQUEUE is valid")]
    alias = using or conf.get_settings().DATABASE
    if alias not in connections:
        return [*found, _bad("database", f"there is no database {alias!r} in the settings", "Name one of DATABASES.")]
    reason = health.not_ready(alias)
    if reason == health.NO_DATABASE:
        return [*found, _bad("database", reason, f"Check the connection settings of the database {alias!r}.")]
    if reason:
        return [*found, _bad("migrations", reason, "Run manage.py migrate.")]
    found.append(_ok("migrations", "all are applied"))
    try:
        facts = json.loads(store.run(alias, "doctor", {})[0][0]) | {"using": alias}
        for look in LOOKS:
            found += look(facts)
    except (DatabaseError, InterfaceError) as error:
        found.append(
            _bad("database", f"it failed during the examination: {error}".strip(), "Look at the server's log.")
        )
    return found


def worst(findings: list[Finding]) -> Level:
    """The worst level among them."""
    levels = {finding.level for finding in findings}
    return next((level for level in (Level.ERROR, Level.WARNING) if level in levels), Level.OK)


def _ok(about: str, said: str) -> Finding:
    return Finding(level=Level.OK, about=about, said=said)


def _warn(about: str, said: str, hint: str) -> Finding:
    return Finding(level=Level.WARNING, about=about, said=said, hint=hint)


def _bad(about: str, said: str, hint: str) -> Finding:
    return Finding(level=Level.ERROR, about=about, said=said, hint=hint)


Facts = dict[str, Any]


def _server(facts: Facts) -> Iterator[Finding]:
    major = facts["version"] // 10_000
    if major in VERSIONS:
        yield _ok("version", f"PostgreSQL {major}")
    elif major < VERSIONS[0]:
        yield _bad("version", f"PostgreSQL {major} is not supported", f"Upgrade to PostgreSQL {VERSIONS[-1]}.")
    else:
        yield _warn("version", f"PostgreSQL {major} is newer than what is tested", "Look for a newer docqueue.")
    if facts["recovery"]:
        yield _bad("read-only", "this server is a standby", "Point DOCQUEUE['DATABASE'] at the primary.")
    elif facts["read_only"] == "on":
        yield _bad("read-only", "transactions are read-only", "Unset default_transaction_read_only for this role.")


def _durability(facts: Facts) -> Iterator[Finding]:
    for name in ("fsync", "full_page_writes"):
        if facts[name] != "on":
            yield _bad(
                "durability", f"{name} is off: a crash of the machine can destroy the database", f"Set {name} = on."
            )
    mode, standbys = facts["synchronous_commit"], facts["standbys"]
    if mode == "off":
        hint = "Set synchronous_commit = on, at least for the role that enqueues."
        yield _bad("durability", "synchronous_commit is off: what was acknowledged can be lost", hint)
    elif facts["fsync"] == facts["full_page_writes"] == "on":
        where = f"standbys {standbys}" if standbys else "no synchronous standby: a lost disk loses what it held"
        yield _ok("durability", f"synchronous_commit is {mode}; {where}")


def _vacuum(facts: Facts) -> Iterator[Finding]:
    if facts["autovacuum"] != "on" or facts["track_counts"] != "on" or not facts["item_autovacuum"]:
        hint = "Set autovacuum and track_counts on, and: alter table docqueue_item reset (autovacuum_enabled)."
        yield _bad("autovacuum", "it does not run for docqueue_item: the queue gets slower and slower", hint)
    elif facts["dead_rows"] > max(DEAD_ROWS, 10 * facts["live_rows"]):
        hint = "See whether somebody holds an old snapshot (below), then: vacuum docqueue_item."
        yield _warn("autovacuum", f"docqueue_item has {facts['dead_rows']:,} dead rows", hint)
    else:
        yield _ok("autovacuum", f"on; docqueue_item has {facts['dead_rows']:,} dead rows")
    if facts["wraparound_age"] > WRAPAROUND_AGE:
        yield _bad("autovacuum", "docqueue_item is near transaction wraparound", "Run: vacuum freeze docqueue_item.")


def _snapshots(facts: Facts) -> Iterator[Finding]:
    if not facts["sees_others"]:
        hint = "As a superuser: grant pg_read_all_stats to the role of this connection."
        yield _warn("snapshots", "the transactions of other roles can not be seen", hint)
    age = facts["oldest_snapshot_seconds"] or 0.0
    if age > SNAPSHOT_SECONDS:
        hint = (
            "Find it in pg_stat_activity (oldest xact_start with a backend_xmin) and end it: pg_terminate_backend(pid)."
        )
        yield _warn(
            "snapshots", f"a transaction has been open for {stats.in_words(age)}: nothing can be vacuumed", hint
        )
    if facts["prepared_transactions"]:
        hint = "Look at pg_prepared_xacts; commit or roll back what nobody will finish."
        yield _warn("snapshots", f"{facts['prepared_transactions']} prepared transactions are open", hint)


def _indexes(facts: Facts) -> Iterator[Finding]:
    for name in facts["invalid_indexes"]:
        yield _bad("indexes", f"{name} is not valid", f"Run: reindex index concurrently {name}.")
    if not facts["invalid_indexes"]:
        yield _ok("indexes", "all are valid")
    if not facts["partitions_ahead"]:
        hint = "Start a worker, which makes them, or call process_document_queue."
        yield _warn("history", "there is no partition for next week yet", hint)


def _clock(facts: Facts) -> Iterator[Finding]:
    ahead = time.time() - float(facts["now"])
    if abs(ahead) > CLOCK_SECONDS:
        said = f"this machine's clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the database's"
        yield _warn("clock", said, "Run an NTP client on both. The queue goes by the database's clock alone.")
    else:
        yield _ok("clock", f"within {CLOCK_SECONDS:g} s of the database's")


def _connections(facts: Facts) -> Iterator[Finding]:
    used, most = facts["connections"], facts["max_connections"]
    if used > CONNECTIONS_SHARE * most:
        yield _warn("connections", f"{used} of {most} are in use", "Raise max_connections or use a pooler.")
    if store.direct(facts["using"]):
        yield _ok("pooler", "none between this process and PostgreSQL")
    elif conf.get_settings().LISTEN:
        hint = "Set DOCQUEUE['LISTEN'] = False, or connect workers directly: they are told of items at once then."
        yield _warn("pooler", "a pooler stands between: workers can not hear notifications and poll", hint)
    else:
        yield _ok("pooler", "there is one; workers poll")


def _schedules(facts: Facts) -> Iterator[Finding]:
    failing = Schedule.objects.using(facts["using"]).filter(last_error__isnull=False, paused_at=None)
    for one in failing.order_by("name")[:SCHEDULES_SHOWN]:
        hint = "Correct it in the admin or the code: it goes on by itself then."
        yield _warn("schedules", f"{one.name} enqueues nothing: {one.last_error}", hint)


def _service(facts: Facts) -> Iterator[Finding]:
    """Who does the work."""
    found = DocumentQueueService(facts["using"]).get_queue_stats()
    names = [name for name in handlers.operations() if not name.startswith("docqueue.")]
    if not names:
        hint = "Put @handler functions into a queue_handlers.py of an installed app."
        yield _warn("handlers", "none is registered", hint)
    else:
        yield _ok("handlers", f"{len(names)} are registered")
    for queue in found.unserved:
        yield _bad("workers", f"queue {queue} has items and no worker", stats.no_worker(queue))
    if not found.workers:
        yield _warn("workers", "none is alive", health.NO_WORKER)
    elif not found.unserved:
        yield _ok("workers", f"{found.workers} alive, and every queue with items is served")
    if lost := facts["lost_workers"]:
        hint = (
            "Look at their logs: killed (memory?), cut off from the database, or suspended for longer than the lease."
        )
        yield _warn("workers", f"{lost} were lost within the last hour", hint)
    yield from _stops(found)
    if found.total.failed:
        hint = "Look at the dead letters in the admin; requeue or discard them."
        yield _warn("dead letters", f"there are {found.total.failed:,}", hint)


def _stops(found: stats.QueueStats) -> Iterator[Finding]:
    """What people and failures have stopped. A paused queue that holds nothing keeps nobody waiting."""
    for one in found.paused:
        counts = found.queues.get(one.queue, stats.QueueCounts())
        if held := counts.pending + counts.waiting + counts.retrying:
            number = f"{'about ' if counts.counted_seconds_ago else ''}{held:,} item{'' if held == 1 else 's'}"
            hint = f"If that is over, run: manage.py queue_resume {one.queue}"
            yield _warn("paused", f"{one.in_words()} and holds {number}", hint)
        else:
            yield _ok("paused", f"{one.in_words()} and holds nothing")
    for breaker in found.breakers:
        hint = f"What {breaker.limit!r} stands for seems to be down: see what its items failed with (queue_explain)."
        yield _warn("breakers", breaker.in_words(datetime.now(UTC)), hint)


LOOKS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    _server,
    _durability,
    _vacuum,
    _snapshots,
    _indexes,
    _clock,
    _connections,
    _schedules,
    _service,
)
