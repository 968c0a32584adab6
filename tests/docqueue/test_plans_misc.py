"""How PostgreSQL runs the statements of duties that are rarely asked over the same crowd as those of test_plans."""

from __future__ import annotations

import pytest

from docqueue import history
from tests.docqueue.helpers import T0, rows
from tests.docqueue.test_plans import crowd, explain  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db


def test_old_dead_letters_are_read_by_their_index(crowd):  # noqa: F811
    history.ensure("default", T0)
    plan = explain("discard_dead", days=1, limit=100, now=T0)
    plan.assert_bounded(blocks=100, sorted_rows=0)
    much_later = rows("select now() + interval '2 days' as at")[0]["at"]
    history.ensure("default", much_later)
    plan = explain("discard_dead", days=1, limit=100, now=much_later)
    assert "docqueue_item_dead" in plan.indexes()
    plan.assert_bounded(blocks=6_000, sorted_rows=100)


def test_the_queues_of_live_items_are_found_by_a_walk_from_queue_to_queue(crowd):  # noqa: F811
    plan = explain("item_queues", limit=100)
    assert {"docqueue_item_lane", "docqueue_item_returned", "docqueue_item_aside"} <= plan.indexes()
    plan.assert_bounded(blocks=600, sorted_rows=200)


def test_ageing_reads_one_row_a_lane_and_those_that_rise(crowd):  # noqa: F811
    plan = explain("age", seconds=3600.0, limit=100)
    assert "docqueue_item_lane" in plan.indexes()
    plan.assert_bounded(blocks=400, sorted_rows=100)
    much_later = rows("select now() + interval '2 hours' as at")[0]["at"]
    explain("age", seconds=3600.0, limit=100, now=much_later).assert_bounded(blocks=12_000, sorted_rows=100)
