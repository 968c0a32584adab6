"""A handler that does slow work inside of ctx.complete() keeps no transaction open for it."""

from __future__ import annotations

import pytest

from docqueue.models import Attempt
from docqueue.service import DocumentQueueService
from tests.docqueue.helpers import row, until
from tests.docqueue.worker.processes import Manage
from tests.testapp.models import Effect


@pytest.mark.slow
def test_five_idle_seconds_inside_of_it_are_a_failed_attempt_and_nothing_is_written(
    manage: Manage, service: DocumentQueueService
) -> None:
    item = service.enqueue(None, "test.idle_in_complete").id
    manage.worker("--processes", 1)
    until(lambda: row(item)["status"] == "dead", 15)
    assert row(item)["error_code"] == "idle_in_transaction"
    assert "ctx.complete()" in row(item)["error_message"]
    assert Attempt.objects.get().outcome == "failed"
    assert not Effect.objects.exists()
