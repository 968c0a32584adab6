"""A new item made from another, live or finished, with what a person has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from docqueue import outcomes, store
from docqueue.enqueuing import Enqueued
from docqueue.looking import HasId, Looking
from docqueue.producing import Producing
from docqueue.validation import DOCUMENT, DocumentId

SAME: Any = object()
"""Default of `clone`'s arguments: as the item has it."""


class Cloning(Producing, Looking):
    """The verb that copies."""

    def clone(
        self,
        item: HasId | int,
        *,
        operation: str = SAME,
        queue: str = SAME,
        priority: int | str = SAME,
        payload: Mapping[str, Any] = SAME,
        document_id: DocumentId | None = SAME,
        by: str = "",
        reason: str = "",
        now: datetime | None = None,
    ) -> Enqueued:
        """Enqueue a copy of an item in any state, due at once; what is given is different.

        It has the item's metadata with `cloned_from`, its id; its tenant and most attempts; its ordering key, which is
        the copy's document where it was the item's; and of a live item the limits and the concurrency key, which the
        history does not keep. It has no unique key, no batch, and comes after none. The audit has it with the item.
        Raises `ItemNotFound`, or the `InvalidItem` that `enqueue` raises.
        """
        found = self.get_item(item)
        document = found.document_id if document_id is SAME else document_id
        own = found.ordering_key is not None and found.ordering_key == found.document_id
        with store.atomic(self.using):
            new = self.enqueue(
                document,
                found.operation if operation is SAME else operation,
                found.priority if priority is SAME else priority,
                payload=found.payload if payload is SAME else payload,
                queue=found.queue if queue is SAME else queue,
                ordering_key=DOCUMENT if own else found.ordering_key,
                max_attempts=found.max_attempts,
                timeout_seconds=found.timeout_seconds,
                metadata={**found.metadata, "cloned_from": found.pk},
                tenant=found.tenant,
                concurrency_key=found.slot_key,
                concurrency_limit=found.slot_limit if found.slot_key is not None else None,
                limit_key=found.limit_key,
                now=now,
            )
            said = {"actor": outcomes.clean(by)[:255], "reason": outcomes.clean(reason)[:1000], "action": "clone"}
            entry = {**said, "item_id": found.pk, "filter": json.dumps({"new": new.id}), "count": 1, "now": now}
            store.run(self.using, "audit", entry)
        return new
