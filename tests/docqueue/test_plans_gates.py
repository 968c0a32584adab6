"""How PostgreSQL runs what is asked about long lines while its statistics are those of a short one."""

from __future__ import annotations

import pytest
from django.db import connection

from docqueue import store
from docqueue.service import DocumentQueueService
from tests.docqueue.helpers import OPERATION, worker
from tests.docqueue.test_plans import explain

pytestmark = pytest.mark.django_db
LINES = """
insert into docqueue_item (queue, priority, position, status, wait_reason, operation, payload, metadata, max_attempts,
    timeout_seconds, limit_key, tenant, slot_key, slot_limit, ordering_key, next_retry_at, died_at)
select 'default', n % 5, case when m = 5 then n end, case m when 5 then 'pending' when 6 then 'dead' else 'waiting' end,
    (array['limited', 'concurrency', 'fair_share', 'ordering', 'retry'])[m + 1], 'test.noop', '{}', '{}', 5, 300,
    'slow', 't' || n % 4, case when m = 1 then 's' || n % 3 end, 2, 'o' || n % 3, case when m = 4 then now() end,
    case when m = 6 then now() end
from generate_series(1, 210000) n cross join lateral (select n % 7 as m) kind
"""


@pytest.fixture
def lines(service: DocumentQueueService) -> None:
    """A hundred and fifty thousand that wait, for five reasons; the planner knows of one that is pending."""
    with connection.cursor() as cursor:
        cursor.execute("truncate docqueue_item")  # no pages of tests before
        service.enqueue(None, OPERATION)
        cursor.execute("analyze docqueue_item")
        cursor.execute(LINES)
        cursor.execute("insert into docqueue_limit (key, rate, burst, tokens) values ('slow', 100, 100, 100)")


@pytest.mark.parametrize("settings", ["", store.OWN_SETTINGS], ids=["caller's session", "own session"])
def test_a_line_is_read_at_its_front(lines, settings):
    with connection.cursor() as cursor:
        cursor.execute(settings or "select")  # the test's rollback takes them back
    explain("promote_fair", queue="default", share=10, tenants=[], shares=[]).assert_bounded(blocks=3_000)
    explain("waiting_limits", queues=["default"]).assert_bounded(blocks=100)
    for statement in ("limited_queues", "fair_queues"):
        explain(statement).assert_bounded(blocks=100)
    params = {"queues": ["default"], "limit": 10, "worker_id": worker(None), "token": 1}
    explain("claim_limited", **params).assert_bounded(blocks=500)
    budget = {"key": "slow", "rate": 5.0, "burst": 10.0}
    explain("promote_retries", queue="default", limit=1000, **budget).assert_bounded(blocks=500)
