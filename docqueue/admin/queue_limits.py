"""What holds items of one queue up: of each limit what it allows, what is in use, and how many it holds back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.timezone import now
from django.utils.translation import gettext

from docqueue import handlers, listing, stats, stops, store, waits
from docqueue.conf import get_settings
from docqueue.models import Limit, QueueItem
from docqueue.states import Status, WaitReason

KEYS = 20
LOOKED_AT = 1000
"""So many items that run, stand first in a lane, or wait for a place, are looked at for a queue's concurrency keys."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One limit. `held`: how many it holds back; None where it holds none back by itself."""

    what: str
    key: str = ""
    page: str = ""  # the key, where a page shows it
    allows: str = ""
    used: str = ""
    held: str | None = None
    closed: str = ""


@dataclass(frozen=True, kw_only=True)
class Held:
    """How many items of the queue wait for one reason."""

    reason: str
    label: Any
    number: str


def lines(using: str, queue: str) -> list[Line]:
    """Those that handlers of the queue have, that its items wait for, or that those that run have a place of."""
    known = [found for name in handlers.operations() if (found := handlers.find(name)) and found.queue == queue]
    live = QueueItem.objects.using(using).filter(queue=queue)
    return [*_rates(using, live, known), *_concurrency(using, queue, known), *_rules(live)]


def held(using: str, queue: str) -> list[Held]:
    """The items of the queue that wait, by what they wait for: each counted by an index, and to `stats.DEEP` only."""
    live = QueueItem.objects.using(using).filter(queue=queue)
    counts = ((reason, _waiting(live, reason)) for reason in WaitReason)
    return [Held(reason=r.value, label=r.label, number=number) for r, number in counts if number != "0"]


def _count(found: QuerySet[QueueItem]) -> str:
    number = found.values("queue")[: stats.DEEP].count()
    return f"≥ {number:,}" if number >= stats.DEEP else f"{number:,}"


def _waiting(live: QuerySet[QueueItem], reason: WaitReason) -> str:
    return _count(live.filter(status=Status.WAITING, wait_reason=reason, id__gt=0))  # "id > 0": see stats_live.sql


def _rates(using: str, live: QuerySet[QueueItem], known: list[handlers.Handler]) -> list[Line]:
    waiting = live.filter(status=Status.WAITING, wait_reason=WaitReason.LIMITED, limit_key__isnull=False)
    keys = {found.limit_key for found in known if found.limit_key}
    last = ""
    for _ in range(KEYS):  # from key to key along the index, however many wait for each
        following = waiting.filter(limit_key__gt=last).order_by("limit_key").values_list("limit_key", flat=True).first()
        if following is None:
            break
        keys.add(last := following)
    found = Limit.objects.using(using).in_bulk(sorted(keys))
    moment = store.clock(using) if found else now()
    opened = {one.limit: one for one in stops.open_breakers(using, list(found.values()))} if found else {}
    shown = []
    for key in sorted(keys):
        limit, breaker = found.get(key), opened.get(key)
        allows, used = gettext("nothing has been charged to it yet"), ""
        if limit is not None:
            allows = waits.rate(limit.rate) if limit.rate is not None else gettext("any number, unless it breaks")
            if limit.rate is not None:
                used = gettext("%(n)s may start now") % {"n": f"{limit.tokens_at(moment):,.1f}"}
            if limit.failures_to_open is not None:
                said = {"n": limit.failures, "most": limit.failures_to_open}
                used = "; ".join(filter(None, (used, gettext("%(n)d of %(most)d failures in a row") % said)))
        shown.append(
            Line(
                what=gettext("limit"),
                key=key,
                page=key if limit is not None else "",
                allows=allows,
                used=used,
                held=_count(waiting.filter(limit_key=key)),
                closed=breaker.in_words(moment) if breaker else "",
            )
        )
    return shown


def _concurrency(using: str, queue: str, known: list[handlers.Handler]) -> list[Line]:
    live = QueueItem.objects.using(using).filter(queue=queue)
    some_waiting = listing.some_live(using, LOOKED_AT, queue=queue, wait_reason=WaitReason.CONCURRENCY.value)
    waiting = QueueItem.objects.using(using).filter(pk__in=some_waiting)
    running = live.filter(status=Status.IN_PROGRESS)
    lane = live.filter(status=Status.PENDING, returned=False).order_by("-priority", "position")
    most = {found.operation: found.concurrency_limit for found in known if found.concurrency_limit is not None}
    for some in (lane, running, waiting):
        rows = some.values_list("slot_key", "slot_limit")[:LOOKED_AT]
        most |= {key: limit for key, limit in rows if key is not None and limit is not None}
    everything = QueueItem.objects.using(using)
    line = everything.filter(status=Status.WAITING, wait_reason=WaitReason.CONCURRENCY)
    return [
        Line(
            what=gettext("at once, of one concurrency key"),
            key=key,
            allows=gettext("%(n)s at once") % {"n": f"{limit:,}"},
            used=gettext("%(n)s have a place") % {"n": _count(everything.filter(slot_key=key, slot__isnull=False))},
            held=_count(line.filter(slot_key=key)),
        )
        for key, limit in sorted(most.items())[:KEYS]
    ]


def _rules(live: QuerySet[QueueItem]) -> list[Line]:
    """What settings hold items of every queue up, as far as they are in force, and the order of a document's items."""
    settings = get_settings()
    shown = []
    if settings.FAIR_SHARE:
        allows = gettext("%(n)s of a tenant in a lane while others wait") % {"n": f"{settings.FAIR_SHARE:,}"}
        held_back = _waiting(live, WaitReason.FAIR_SHARE)
        shown.append(Line(what=gettext("share of a tenant"), key="FAIR_SHARE", allows=allows, held=held_back))
    if settings.RETRIES_PER_SECOND:
        due = live.filter(status=Status.WAITING, wait_reason=WaitReason.RETRY, next_retry_at__lte=now())
        allows = gettext("%(n)s retries a second") % {"n": f"{settings.RETRIES_PER_SECOND:g}"}
        held_back = _count(due)
        shown.append(Line(what=gettext("budget of retries"), key="RETRIES_PER_SECOND", allows=allows, held=held_back))
    if settings.AGEING_SECONDS:
        allows = gettext("a pending item rises by ten in priority every %(n)s s") % {
            "n": f"{settings.AGEING_SECONDS:g}"
        }
        shown.append(Line(what=gettext("ageing"), key="AGEING_SECONDS", allows=allows))
    if (held_back := _waiting(live, WaitReason.ORDERING)) != "0":
        shown.append(Line(what=gettext("order"), allows=gettext("one at a time of an ordering key"), held=held_back))
    return shown
