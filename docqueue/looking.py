"""The half of the service that only looks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from docqueue import explaining, stats, stops, store
from docqueue.exceptions import ItemNotFound
from docqueue.listing import ListedItem
from docqueue.models import AnyItem, QueueItem
from docqueue.states import Status
from docqueue.waits import Explanation


class HasId(Protocol):
    """Anything with an item's id."""

    @property
    def id(self) -> int: ...


def id_of(item: HasId | int) -> int:
    """The id of an item, or of what stands for one."""
    return item if isinstance(item, int) else item.id


class Looking:
    """Verbs that change nothing."""

    using: str

    def get_item(self, item: HasId | int) -> AnyItem:
        """The item, live or finished. Raises `ItemNotFound`."""
        item_id = id_of(item)
        found = AnyItem.objects.using(self.using).filter(pk=item_id).first()
        if found is None:
            raise ItemNotFound(f"There is no item {item_id}.")
        return found

    def get_status(self, item: HasId | int) -> Status:
        """Where the item is, live or finished. Raises `ItemNotFound`."""
        item_id = id_of(item)
        rows = store.run(self.using, "status", {"item_id": item_id})
        if not rows:
            raise ItemNotFound(f"There is no item {item_id}.")
        return Status(rows[0][0])

    def get_queue_stats(self, *, now: datetime | None = None) -> stats.QueueStats:
        """Depths per queue and in total, workers, queues that none serves, what is paused, which breakers are open.

        Finished items are counted as far as the history goes.
        """
        found = stats.read(self.using, now)
        return replace(found, paused=stops.paused(self.using), breakers=stops.open_breakers(self.using))

    def explain(self, item: HasId | int, *, now: datetime | None = None) -> str:
        """In plain words: where the item is, why, and what would move it. Raises `ItemNotFound`."""
        return self.explain_detail(item, now=now).text

    def explain_detail(self, item: HasId | int, *, now: datetime | None = None) -> Explanation:
        """The same with its figures: reason, place in line, estimate, who is before it. Raises `ItemNotFound`."""
        return explaining.detail(self.using, self.get_item(item), now)

    def reasons(self, items: Iterable[QueueItem | ListedItem], *, now: datetime | None = None) -> dict[int, str]:
        """The reason that `explain_detail` gives, for many items at once: by id, in two reads at most."""
        return explaining.reasons(self.using, items, now)
