"""The front that the workers of a deep lane share: it spares them each other's claims, and hides no item."""

from __future__ import annotations

import re

import pytest
from django.db import connection

from docqueue import store
from docqueue.models import QueueItem
from docqueue.service import DocumentQueueService
from docqueue.worker.lanes import FRONTS, TAGS, Lanes
from tests.docqueue.helpers import NewItemFactory, rows, somebody_else, worker
from tests.docqueue.worker.claims import INSERT, claim, explained, nodes, step_params

pytestmark = pytest.mark.django_db(transaction=True)


def make_deep(service: DocumentQueueService, count: int = 400) -> list[int]:
    """So many items in a lane."""
    return service.enqueue_many(NewItemFactory.build_batch(count))


def test_workers_of_a_deep_lane_start_behind_what_the_others_are_just_claiming(service: DocumentQueueService) -> None:
    ids = make_deep(service)
    first, second = Lanes("default"), Lanes("default")
    for each in (first, second):
        each.look()
        claim(each)  # the lane is deep for both from now on
    assert first.known["default", 0].deep
    assert second.known["default", 0].hint == QueueItem.objects.get(pk=ids[199]).position
    with connection.cursor() as cursor, somebody_else() as other:
        starts = first.starts("default", 100)
        text, params = store.sql("step"), step_params(worker(None), starts, 100)
        other.execute(text, params)  # not committed: its rows are locked
        assert {found[0] for found in other.fetchall()[:-1]} == set(ids[200:300])
        plan = explained(cursor, "step", step_params(worker(None), second.starts("default", 100), 100))
        removed = sum(n.get("Actual Rows", 0) for n in nodes(plan) if n["Node Type"] == "LockRows")
        read = sum(n.get("Actual Rows", 0) for n in nodes(plan) if n.get("Index Name") == "docqueue_item_lane")
        assert removed == read == 100, "it did not pass over a single row of the other one's claim"
    assert QueueItem.objects.filter(status="in_progress").count() == 300


def test_a_claim_that_got_less_than_it_wanted_leaves_the_front_where_it_ended(service: DocumentQueueService) -> None:
    """It had said before it began how far a full claim would reach."""
    make_deep(service, 250)
    lanes = Lanes("default")
    lanes.look()
    assert [len(claim(lanes)) for _ in range(3)] == [100, 100, 50]
    ids = make_deep(service, 300)
    assert lanes.stir("default")
    assert [i.id for i in claim(lanes)] == ids[:100]
    assert [i.id for i in claim(lanes)] == ids[100:200], "deep again: the front must not be ahead of what is there"


def test_an_item_in_front_of_a_deep_lane_is_found_by_the_second_look(service: DocumentQueueService) -> None:
    with somebody_else() as late:
        late.execute(INSERT)
        (missed,) = late.fetchone()
        make_deep(service, 1000)
        lanes = Lanes("default")
        lanes.look()
        claim(lanes)
        late.connection.commit()
        for _ in range(2):
            assert missed not in {i.id for i in claim(lanes)}
            lanes.look()
        assert claim(lanes)[0].id == missed


def test_a_bulk_that_was_committed_late_is_gone_through_to_its_end(service: DocumentQueueService) -> None:
    """One claim of it is full, too: that must not send the next one back to the front."""
    with somebody_else() as late:
        late.execute(INSERT.replace("values (", "select ").replace("60)", "60 from generate_series(1, 350)"))
        missed = [found[0] for found in late.fetchall()]
        make_deep(service, 1000)
        lanes = Lanes("default")
        lanes.look()
        claim(lanes)
        claim(lanes)
        late.connection.commit()
        lanes.look()
        lanes.look()
        found = [i.id for _ in range(4) for i in claim(lanes)]
    assert found[:350] == missed
    assert len(found) == 400


def test_what_a_claim_that_was_rolled_back_had_reserved_is_found_by_the_next_look(
    service: DocumentQueueService,
) -> None:
    ids = make_deep(service, 300)
    lanes = Lanes("default")
    lanes.look()
    claim(lanes)
    with somebody_else() as other:
        other.execute(store.sql("step"), step_params(worker(None), lanes.starts("default", 100), 100))
    assert [i.id for i in claim(lanes)] == ids[200:], "a sequence is not rolled back"
    lanes.look()
    lanes.look()
    assert [i.id for i in claim(lanes)] == ids[100:200]


def test_the_front_of_another_lane_is_never_taken_for_ones_own(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("docqueue.worker.lanes.FRONTS", 1)  # all lanes share one sequence
    mine = make_deep(service, 300)
    service.enqueue_many(NewItemFactory.build_batch(500, queue="other"))
    lanes = Lanes("default")
    lanes.look()
    found = claim(lanes)
    for _ in range(3):
        claim(lanes, queue="other")
    assert [i.id for i in [*found, *claim(lanes), *claim(lanes)]] == mine


def test_every_front_is_there() -> None:
    names = {r["relname"] for r in rows("select relname from pg_class where relname like 'docqueue\\_front\\_%%'")}
    assert names == {f"docqueue_front_{n}" for n in range(FRONTS)}
    assert re.search(r"& (\d+)", store.sql("step"))[1] == str((1 << 63 - TAGS.bit_length() + 1) - 1)
