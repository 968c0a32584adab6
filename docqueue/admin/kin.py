"""Other items that have to do with one: what holds it up, the same document, key or batch, and its copies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext

from docqueue import explaining
from docqueue.admin.columns import Reasons
from docqueue.listing import ItemFilter
from docqueue.models import AnyItem, AuditEntry, QueueItem
from docqueue.service import DocumentQueueService
from docqueue.states import Status, WaitReason

SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Group:
    """Items that are related in one way. `more`: the address of a list of all of them, where there is one."""

    title: str
    items: list[tuple[Any, str]]
    more: str = ""


def groups(using: str, item: Any, cloned_from: int | None) -> list[Group]:
    """Those that there are, each with the first few items, the newest first, and the state of each in words."""
    asked: list[tuple[str, Iterable[int], str]] = [
        (gettext("It waits for"), explaining.detail(using, item).blocked_by, ""),
        (gettext("Cloned from"), [cloned_from] if cloned_from else [], ""),
        (gettext("Cloned to"), _clones(using, item.pk), ""),
    ]
    service = DocumentQueueService(using)
    if item.document_id is not None:
        there = _list(item, document_id=item.document_id)
        asked.append((gettext("Same document"), _listed(service, ItemFilter(document_id=item.document_id)), there))
    if item.ordering_key is not None and item.ordering_key != item.document_id:
        asked.append((gettext("Same ordering key, in line"), _line(using, item.ordering_key), ""))
    if item.unique_key is not None:
        asked.append((gettext("Same unique key"), _listed(service, ItemFilter(unique_key=item.unique_key)), ""))
    if item.batch_id is not None:
        there = _list(item, batch_id=item.batch_id)
        asked.append((gettext("Same batch"), _listed(service, ItemFilter(batch_id=item.batch_id)), there))
    return _shown(using, item.pk, asked)


def _shown(using: str, own: int, asked: list[tuple[str, Iterable[int], str]]) -> list[Group]:
    wanted = [(title, [pk for pk in ids if pk != own][:SHOWN], more) for title, ids, more in asked]
    every = {pk for _, ids, _ in wanted for pk in ids}
    found = AnyItem.objects.using(using).defer("payload", "metadata", "result").in_bulk(every) if every else {}
    reasons = Reasons(using)
    words = {pk: reasons.why(item) for pk, item in found.items()}
    return [
        Group(title=title, items=[(found[pk], words[pk]) for pk in ids if pk in found], more=more)
        for title, ids, more in wanted
        if any(pk in found for pk in ids)
    ]


def _list(item: Any, **query: Any) -> str:
    """That of the same kind, live or finished."""
    model = "historyitem" if hasattr(item, "finished_at") and item.finished_at else "queueitem"
    return f"{reverse(f'admin:docqueue_{model}_changelist')}?{urlencode(query)}"


def _listed(service: DocumentQueueService, wanted: ItemFilter) -> list[int]:
    return [one.id for one in service.list_items(wanted, limit=SHOWN + 1).items]


def _line(using: str, key: str) -> list[int]:
    items = QueueItem.objects.using(using).filter(ordering_key=key)
    holder = items.filter(holds_key=True).values_list("pk", flat=True)[:1]
    line = items.filter(status=Status.WAITING, wait_reason=WaitReason.ORDERING).order_by("pk")
    return [*holder, *line.values_list("pk", flat=True)[: SHOWN + 1]]


def _clones(using: str, item_id: int) -> list[int]:
    entries = AuditEntry.objects.using(using).filter(item_id=item_id, action="clone").order_by("-id")
    told = entries.values_list("filter__new", flat=True)[:SHOWN]
    return [new for new in told if isinstance(new, int)]
