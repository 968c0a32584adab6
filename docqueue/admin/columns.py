"""How values look: everything that comes from outside is escaped, and kept from turning the text around it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext

from docqueue import explaining, stats
from docqueue.models import AnyItem
from docqueue.states import Status

JSON_SHOWN = 20_000
NOTHING = "–"
TURNING = {code: f"\\u{code:04x}" for code in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
"""Characters that turn the direction of the text around them, as they are shown within a sentence of ours."""


def ago(moment: datetime | None, now: datetime | None = None, *, seconds: bool = True) -> str | SafeString:
    """A time as people say it, with the exact one on hover. Without `seconds` the last minute is told as one."""
    if moment is None:
        return NOTHING
    past = ((now or datetime.now(UTC)) - moment).total_seconds()
    words = gettext("%(time)s ago") if past >= 0 else gettext("in %(time)s")
    local = localtime(moment)
    if seconds or abs(past) >= 60:
        words %= {"time": stats.in_words(abs(past) if seconds else abs(past) // 60 * 60)}
    else:
        words = gettext("less than a minute ago") if past >= 0 else gettext("within a minute")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        f"{date_format(local, 'Y-m-d H:i:s')} {local.tzname()}",
        words,
    )


def exact(moment: datetime | None) -> str | SafeString:
    """A time to the second, with how long ago that is."""
    if moment is None:
        return NOTHING
    local = localtime(moment)
    return format_html("{} {} ({})", date_format(local, "Y-m-d H:i:s"), local.tzname() or "", ago(moment))


def took(start: datetime | None, end: datetime | None) -> str:
    """How long it was from one to the other."""
    if start is None or end is None:
        return NOTHING
    seconds = max(0.0, (end - start).total_seconds())
    return f"{seconds:.2f} s" if seconds < 10 else stats.in_words(seconds)


def badge(value: str, label: Any) -> SafeString:
    """A state: its name, with a colour as well."""
    return format_html('<span class="docqueue-badge docqueue-{}">{}</span>', value, label)


def text(value: str | None) -> str | SafeString:
    """A string from outside."""
    return format_html('<span class="docqueue-text">{}</span>', value) if value else NOTHING


def sentence(value: str) -> str:
    """A sentence of ours that quotes a stranger: what would turn the rest of it around is made visible."""
    return value.translate(TURNING)


def two_lines(first: str, second: str) -> SafeString:
    """Two strings from outside that belong together, the second in small type."""
    return format_html(
        '<span class="docqueue-text">{}</span><br><span class="docqueue-text docqueue-small">{}</span>', first, second
    )


def block(value: str) -> str | SafeString:
    """Many lines from outside, such as a traceback."""
    if not value:
        return NOTHING
    return format_html('<pre class="docqueue-block" tabindex="0">{}</pre>', value)


def as_json(value: Any) -> str | SafeString:
    """A JSON value, indented, and cut when it is very long."""
    if value is None:
        return NOTHING
    shown = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
    if len(shown) > JSON_SHOWN:
        cut = gettext("… cut here: %(length)s characters in all") % {"length": len(shown)}
        shown = f"{shown[:JSON_SHOWN]}\n{cut}"
    return block(shown)


def item_link(item_id: int | None) -> str | SafeString:
    """A link to an item, live or finished."""
    if item_id is None:
        return NOTHING
    return format_html('<a href="{}">#{}</a>', reverse("admin:docqueue_queueitem_change", args=[item_id]), item_id)


def worker_link(worker_id: int | None) -> str | SafeString:
    """A link to a worker's row."""
    if worker_id is None:
        return NOTHING
    return format_html('<a href="{}">#{}</a>', reverse("admin:docqueue_worker_change", args=[worker_id]), worker_id)


def batch_link(batch_id: int | None) -> str | SafeString:
    """A link to a batch."""
    if batch_id is None:
        return NOTHING
    return format_html('<a href="{}">#{}</a>', reverse("admin:docqueue_batch_change", args=[batch_id]), batch_id)


def limit_link(key: str | None) -> str | SafeString:
    """A link to a rate limit or circuit breaker."""
    if key is None:
        return NOTHING
    there = reverse("admin:docqueue_limit_change", args=[quote(key)])
    return format_html('<a href="{}" class="docqueue-text">{}</a>', there, key)


class Reasons:
    """Why each item of a page is where it is, as a plain sentence, with a handful of queries for all of them."""

    def __init__(self, using: str) -> None:
        self.using = using
        self.now = datetime.now(UTC)
        self._pending: dict[tuple[str, str], str] = {}

    def why(self, item: AnyItem) -> str:
        """The short form of what `DocumentQueueService.explain` says."""
        if item.status != Status.PENDING:
            return sentence(explaining.brief(self.using, item, self.now))  # read from the item's own columns
        place = (item.queue, item.operation)  # all that a pending item's reason depends on
        if place not in self._pending:
            self._pending[place] = explaining.brief(self.using, item)
        return self._pending[place]
