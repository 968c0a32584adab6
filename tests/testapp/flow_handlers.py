"""Handlers of items that come after others."""

from __future__ import annotations

import time

from docqueue.handlers import handler
from docqueue.retry import Fixed
from tests.testapp.models import Effect


@handler("test.node", retry=Fixed(0))
def node(ctx):
    """Write one row and complete, together; the result is how deep it stands below those that come after nobody."""
    assert all(parent.outcome == "completed" for parent in ctx.parents), ctx.parents
    depth = 1 + max(ctx.parent_results.values(), default=-1)
    time.sleep(ctx.payload.get("seconds", 0))
    with ctx.complete(result=depth):
        Effect.objects.create(item_id=ctx.id, attempt=ctx.attempt, note=str(depth))
