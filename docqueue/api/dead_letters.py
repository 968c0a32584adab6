"""Pages of dead items by key: each page is a short walk along the partial index, however deep."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from docqueue.api import paging
from docqueue.conf import get_settings
from docqueue.listing import nearest
from docqueue.models import QueueItem
from docqueue.states import Status

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FILTERS = ("queue", "operation", "error_code")


def page(params: Mapping[str, str]) -> tuple[list[QueueItem], str | None]:
    """The items of the page that these query parameters ask for, and the cursor of the next one.

    By queue, operation or code it looks at the next 20,000 dead items only: there may be few, and still a next page.
    """
    limit = paging.limit(params.get("limit"))
    line = QueueItem.objects.using(get_settings().DATABASE).filter(status=Status.DEAD).order_by("-died_at", "-id")
    if params.get("fingerprint"):  # "id > 0" asks for the index over causes
        line = line.filter(fingerprint=paging.text("fingerprint", params["fingerprint"]), id__gt=0)
    if params.get("cursor"):
        died_at, item_id = _read(params["cursor"])
        line = line.filter(died_at__lte=died_at).exclude(died_at=died_at, id__gte=item_id)
    asked = {name: paging.text(name, params[name]) for name in FILTERS if params.get(name)}
    found, last = nearest(line, ("died_at", "id"), line.filter(**asked)) if asked else (line, None)
    items = list(found.defer("payload", "metadata")[: limit + 1])
    if len(items) > limit:
        last = items[limit - 1]
    return items[:limit], None if last is None else _write(last.died_at, last.pk)


def _write(died_at: datetime | None, item_id: int) -> str:
    return f"{((died_at or EPOCH) - EPOCH) // timedelta(microseconds=1)}-{item_id}"


def _read(cursor: str) -> tuple[datetime, int]:
    micros, _, item_id = cursor.partition("-")
    try:
        return EPOCH + timedelta(microseconds=int(micros)), min(int(item_id), 2**63 - 1)
    except (ValueError, OverflowError) as error:
        raise paging.wrong_cursor() from error
