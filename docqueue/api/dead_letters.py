"""Pages of dead items by key: each page is a short walk along the partial index, however deep."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from docqueue.api import paging
from docqueue.conf import get_settings
from docqueue.models import QueueItem
from docqueue.states import Status

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FILTERS = ("queue", "operation", "error_code", "fingerprint")


def page(params: Mapping[str, str]) -> tuple[list[QueueItem], str | None]:
    """The items of the page that these query parameters ask for, and the cursor of the next one."""
    limit = paging.limit(params.get("limit"))
    found = QueueItem.objects.using(get_settings().DATABASE).filter(status=Status.DEAD).defer("payload", "metadata")
    for name in FILTERS:
        if params.get(name):
            found = found.filter(**{name: paging.text(name, params[name])})
    if params.get("fingerprint"):  # the index over causes
        found = found.filter(id__gt=0)
    if params.get("cursor"):
        died_at, item_id = _read(params["cursor"])
        found = found.filter(died_at__lte=died_at).exclude(died_at=died_at, id__gte=item_id)
    items = list(found.order_by("-died_at", "-id")[: limit + 1])
    return items[:limit], _write(items[limit - 1]) if len(items) > limit else None


def _write(item: QueueItem) -> str:
    moment = item.died_at or EPOCH
    return f"{(moment - EPOCH) // timedelta(microseconds=1)}-{item.pk}"


def _read(cursor: str) -> tuple[datetime, int]:
    micros, _, item_id = cursor.partition("-")
    try:
        return EPOCH + timedelta(microseconds=int(micros)), min(int(item_id), 2**63 - 1)
    except (ValueError, OverflowError) as error:
        raise paging.wrong_cursor() from error
