"""Items as text for COPY: whatever a caller writes comes out as it went in, and nothing ends a field or a line."""

from __future__ import annotations

import json
from enum import IntEnum
from itertools import pairwise

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from docqueue import copying, enqueuing, store
from docqueue.exceptions import InvalidPriority, PayloadNotJson
from docqueue.models import QueueItem
from docqueue.service import DocumentQueueService, NewItem
from tests.docqueue.helpers import (
    OPERATION,
    T0,
    Gate,
    NewItemFactory,
    in_threads,
    later,
    row,
    rows,
    stopped_at_gate,
)

pytestmark = pytest.mark.django_db

HOSTILE = [
    "tab\there",
    "line\nfeed",
    "carriage\rreturn",
    "\r\n",
    "back\\slash",
    "\\",
    "\\\\",
    "\\N",
    "\\.",
    "\\t\\n",
    "ends in \\",
    "\b\f\v\x01\x7f",
    "quote\" and 'apostrophe'",
    "ü 文書 😀",
    "\u2028\u0085",
    " ",
    "%s %(id)s {0} $1",
    "null",
]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_every_text_comes_out_as_it_went_in(service, text):
    item = NewItem(
        document_id=text,
        operation=OPERATION,
        queue=text,
        ordering_key=text,
        unique_key=text,
        payload={"text": text, text: [text]},
        metadata={"user": text},
    )
    around = NewItemFactory(payload={"n": 1})
    before, item_id, after = service.enqueue_many([around, item, around], now=T0)
    found = row(item_id)
    assert [found[name] for name in ("document_id", "queue", "ordering_key", "unique_key")] == [text] * 4
    assert json.loads(found["payload"]) == {"text": text, text: [text]}
    assert json.loads(found["metadata"]) == {"user": text}
    assert [json.loads(row(i)["payload"]) for i in (before, after)] == [{"n": 1}] * 2


@pytest.mark.django_db(transaction=True)
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30),
        min_size=1,
        max_size=20,
    )
)
def test_any_texts_come_out_as_they_went_in(service, texts):
    items = [NewItem(document_id=t, operation=OPERATION, queue=t, payload={t: t}, ordering_key=None) for t in texts]
    ids = service.enqueue_many(items)
    found = [row(i) for i in ids]
    assert [(f["document_id"], f["queue"], json.loads(f["payload"])) for f in found] == [(t, t, {t: t}) for t in texts]


def test_an_operation_may_have_a_backslash(service, register):
    register("a\\nb")
    [item_id] = service.enqueue_many([NewItem(document_id=None, operation="a\\nb")])
    assert row(item_id)["operation"] == "a\\nb"


def test_numbers_of_any_kind_are_written_as_numbers(service):
    class Level(IntEnum):
        URGENT = 7

    items = [
        NewItemFactory(priority=Level.URGENT, max_attempts=Level.URGENT, timeout_seconds=1e-7),
        NewItemFactory(priority=-100, max_attempts=1_000_000, timeout_seconds=3_000_000_000),
    ]
    found = [row(i) for i in service.enqueue_many(items)]
    assert [(f["priority"], f["max_attempts"], f["timeout_seconds"]) for f in found] == [
        (7, 7, 1e-7),
        (-100, 1_000_000, 3e9),
    ]


def test_lines_are_handed_over_in_blocks_and_none_is_lost(service, monkeypatch):
    monkeypatch.setattr(copying, "CHUNK_LINES", 3)
    for count in (1, 2, 3, 4, 6, 7):
        ids = service.enqueue_many([NewItemFactory(payload={"n": n}) for n in range(count)])
        assert [json.loads(row(i)["payload"])["n"] for i in ids] == list(range(count))


def test_items_of_every_state_and_kind_may_be_mixed(service, register):
    register("other", queue="others", max_attempts=9)
    items = [
        NewItemFactory(),
        NewItemFactory(operation="other"),
        NewItemFactory(run_after=later(60)),
        NewItemFactory(ordering_key="k", priority="high"),
        NewItemFactory(ordering_key="k", delay_seconds=60, operation="other"),
        NewItemFactory(run_after=later(-60)),
    ]
    found = [row(i) for i in service.enqueue_many(items, now=T0)]
    assert [(f["status"], f["wait_reason"], f["queue"], f["priority"], f["max_attempts"]) for f in found] == [
        ("pending", None, "default", 0, 5),
        ("pending", None, "others", 0, 9),
        ("waiting", "delayed", "default", 0, 5),
        ("waiting", "ordering", "default", 50, 5),
        ("waiting", "delayed", "others", 0, 9),
        ("pending", None, "default", 0, 5),
    ]
    assert [f["run_after"] for f in found] == [None, None, later(60), None, later(60), later(-60)]


@pytest.mark.parametrize("first", [1, "high"])
def test_what_equals_a_good_argument_but_is_none_is_refused_behind_it_too(service, first):
    for wrong in (True, 1.0):
        with pytest.raises(InvalidPriority):
            service.enqueue_many([NewItemFactory(priority=first), NewItemFactory(priority=wrong)])
    assert not QueueItem.objects.exists()


def test_an_invalid_item_far_down_a_list_refuses_all_and_spares_the_callers_transaction(service, monkeypatch):
    monkeypatch.setattr(enqueuing, "AHEAD", 10)
    monkeypatch.setattr(copying, "CHUNK_LINES", 10)
    items = [*NewItemFactory.build_batch(100), NewItemFactory(payload={"x": {1}}), *NewItemFactory.build_batch(5)]
    with transaction.atomic():
        kept = service.enqueue(None, OPERATION).id
        with pytest.raises(PayloadNotJson):
            service.enqueue_many(items)
        also = service.enqueue(None, OPERATION).id
    assert [i.id for i in QueueItem.objects.order_by("id")] == [kept, also]


def test_a_generator_is_read_item_by_item(service):
    """Each item is checked when it is made: what the generator changes afterwards does not reach it."""

    def items():
        payload: dict[str, int] = {}
        for n in range(5):
            payload["n"] = n
            yield NewItemFactory(payload=payload)

    assert [json.loads(row(i)["payload"]) for i in service.enqueue_many(items())] == [{"n": n} for n in range(5)]


# -- ids drawn beforehand ------------------------------------------------------------------------------------------


def test_ids_and_positions_drawn_in_one_piece_come_as_ranges():
    with transaction.atomic():
        ids, positions, clock = store.reserve("default", 1000, T0)
        after, _, _ = store.reserve("default", 1, None)
    assert (len(ids), len(positions), clock) == (1000, 1000, T0)
    assert isinstance(ids, range)
    assert after[0] > ids[-1]


def test_ids_that_do_not_follow_one_another_are_all_told(service):
    """As when others draw at the same time."""
    with connection.cursor() as cursor:
        cursor.execute("alter sequence docqueue_item_id_seq increment by 3")
        cursor.execute("alter sequence docqueue_position_seq increment by 7")
    ids = service.enqueue_many([NewItemFactory(payload={"n": n}) for n in range(5)])
    assert [b - a for a, b in pairwise(ids)] == [3] * 4
    found = [row(i) for i in ids]
    assert [json.loads(f["payload"])["n"] for f in found] == list(range(5))
    assert [b["position"] - a["position"] for a, b in pairwise(found)] == [7] * 4


@pytest.mark.django_db(transaction=True)
def test_threads_that_draw_at_the_same_time_never_get_the_same_id():
    def work(n: int) -> list[int]:
        service, ids = DocumentQueueService(), []
        for _ in range(5):
            ids += service.enqueue_many([NewItemFactory(payload={"thread": n}) for _ in range(300)])
        return ids

    made = in_threads(4, work)
    assert len({i for ids in made for i in ids}) == 4 * 5 * 300
    for n, ids in enumerate(made):
        assert ids == sorted(ids)
        found = rows("select distinct payload ->> 'thread' as n from docqueue_item where id = any(%s)", [ids])
        assert found == [{"n": str(n)}]
    assert rows("select count(distinct position) as n from docqueue_item") == [{"n": 4 * 5 * 300}]


@pytest.mark.django_db(transaction=True)
def test_whoever_draws_is_seen_as_running_before_the_first_number_is_drawn():
    drawn = "select last_value from docqueue_position_seq"
    busy = (
        "select 1 from pg_stat_activity where wait_event = 'advisory' and datname = current_database()"
        " and backend_xid is not null"
    )

    def draw() -> store.Row:
        with transaction.atomic():
            return store.run("default", "reserve_ids", {"count": Gate(3)})[0]

    before = rows(drawn)
    with stopped_at_gate(draw) as drawing:
        assert (bool(rows(busy)), rows(drawn)) == (True, before)
    _, _, first, _, _ = drawing.result()
    assert rows(drawn) == [{"last_value": first + 2}]
