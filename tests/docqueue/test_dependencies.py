"""Items that come after others: when they may run, what they get, and what becomes of them if a parent fails."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import transaction

from docqueue import store, testing
from docqueue.admission import dependencies
from docqueue.context import Context
from docqueue.exceptions import InvalidOption, UnknownParent
from docqueue.maintenance import promote, prune
from docqueue.models import Dependency, HistoryItem
from docqueue.service import DocumentQueueService, NewItem, Rules
from docqueue.states import Status
from tests.docqueue.crash_points.stages import Silent
from tests.docqueue.helpers import (
    OPERATION,
    T0,
    in_threads,
    later,
    past,
    row,
    rows,
    somebody_else,
    worker,
)

pytestmark = pytest.mark.django_db(transaction=True)
TESTED = pytest.mark.django_db


def item(service: DocumentQueueService, **options: Any) -> int:
    return service.enqueue(None, OPERATION, **({"now": T0} | options)).id


def run(service: DocumentQueueService, item_id: int, result: Any = None) -> None:
    service.mark_completed(service.mark_in_progress(item_id, now=T0), result=result, now=T0)


def die(service: DocumentQueueService, item_id: int) -> None:
    service.move_to_dead(service.mark_in_progress(item_id, now=T0), "no", now=T0)


def place(item_id: int) -> str:
    """Its status, or what it waits for."""
    found = row(item_id)
    return (found["wait_reason"] or found["status"]) if found else (past(item_id) or {"status": "gone"})["status"]


def edges(child: int) -> list[tuple[int, str | None]]:
    return [(e.parent_id, e.outcome) for e in Dependency.objects.filter(child_id=child).order_by("parent_id")]


def test_a_child_runs_when_its_last_parent_has_completed_and_gets_their_results(service: DocumentQueueService) -> None:
    one, two = item(service), item(service)
    child = item(service, after=[one, two])
    assert place(child) == "dependency"
    run(service, two, {"pages": 2})
    assert (place(child), edges(child)) == ("dependency", [(one, None), (two, "completed")])
    run(service, one)
    assert place(child) == "pending"
    context = Context(service.mark_in_progress(child, now=T0), "default", Silent())
    assert context.parents == [(one, "completed", None), (two, "completed", {"pages": 2})]
    assert context.parent_results == {one: None, two: {"pages": 2}}


def test_what_has_ended_before_is_copied_at_the_enqueue_and_holds_nobody(service: DocumentQueueService) -> None:
    parent = item(service)
    run(service, parent, [1])
    with transaction.atomic():
        new = service.enqueue(None, OPERATION, after=[parent], now=T0)
        assert new.status is Status.PENDING
    HistoryItem.objects.all().delete()  # as the retention does
    context = Context(service.mark_in_progress(new.id, now=T0), "default", Silent())
    assert context.parents == [(parent, "completed", [1])]


def test_in_bulk_a_parent_may_stand_before_its_child_in_the_same_call(service: DocumentQueueService) -> None:
    ended = item(service)
    run(service, ended)
    top = NewItem(operation=OPERATION)
    items = [
        top,
        NewItem(operation=OPERATION, rules=Rules(after=[top])),
        NewItem(operation=OPERATION, rules=Rules(after=[ended])),
    ]
    ids = service.enqueue_many(items, now=T0)
    assert [place(i) for i in ids] == ["pending", "dependency", "pending"]


def test_in_bulk_parents_that_are_one_by_their_key_are_one(service: DocumentQueueService) -> None:
    known = item(service, unique_key="u")
    first, again = (NewItem(operation=OPERATION, unique_key="u") for _ in range(2))
    child = NewItem(operation=OPERATION, rules=Rules(after=[first, again, known]))
    ids = service.enqueue_many([first, again, child], now=T0)
    assert (ids[0], ids[1]) == (known, known)
    assert rows("select child_id, parent_id from docqueue_dependency") == [{"child_id": ids[2], "parent_id": known}]


def test_in_bulk_a_key_that_comes_again_does_not_make_an_item_come_after_its_own_child(
    service: DocumentQueueService,
) -> None:
    top = item(service)
    first = NewItem(operation=OPERATION, unique_key="u", rules=Rules(after=[top]))
    child = NewItem(operation=OPERATION, rules=Rules(after=[first]))
    again = NewItem(operation=OPERATION, unique_key="u", rules=Rules(after=[child]))
    ids = service.enqueue_many([first, child, again], now=T0)
    assert ids[2] == ids[0]
    run(service, top)
    assert place(ids[0]) == "pending"


def test_an_unknown_parent_is_refused_and_nothing_is_written(service: DocumentQueueService) -> None:
    with pytest.raises(UnknownParent, match="There is no item 4711"):
        item(service, after=[4711])
    for wrong in (0, -1, 2**63, 10**30, True, "7", None):
        with pytest.raises(UnknownParent):
            item(service, after=[wrong])
    behind = NewItem(operation=OPERATION)
    with pytest.raises(UnknownParent):
        service.enqueue_many([NewItem(operation=OPERATION, rules=Rules(after=[behind])), behind], now=T0)
    with pytest.raises(InvalidOption, match="if_parent_fails"):
        item(service, after=[1], if_parent_fails="explode")
    assert not rows("select 1 from docqueue_item union all select 1 from docqueue_dependency")


@pytest.mark.parametrize("end", ["dead", "cancelled"])
def test_on_hold_it_waits_for_a_person(service: DocumentQueueService, end: str) -> None:
    parent = item(service)
    child = item(service, after=[parent])
    die(service, parent) if end == "dead" else service.cancel(parent, now=T0)
    promote.run("default", T0)
    assert place(child) == "dependency"
    assert edges(child) == [(parent, None if end == "dead" else "cancelled")]
    assert service.requeue(child, now=T0).status is Status.PENDING
    context = Context(service.mark_in_progress(child, now=T0), "default", Silent())
    assert context.parents == [(parent, end, None)]


def test_on_hold_behind_a_dead_parent_it_runs_when_that_was_requeued_and_completes(
    service: DocumentQueueService,
) -> None:
    parent = item(service)
    child = item(service, after=[parent])
    die(service, parent)
    service.requeue(parent, now=T0)
    promote.run("default", T0)
    assert place(child) == "dependency"
    run(service, parent)
    assert (place(child), edges(child)) == ("pending", [(parent, "completed")])


@pytest.mark.parametrize("end", ["dead", "cancelled"])
def test_told_to_it_runs_all_the_same(service: DocumentQueueService, end: str) -> None:
    parent, other = item(service), item(service)
    child = item(service, after=[parent, other], if_parent_fails="run")
    die(service, parent) if end == "dead" else service.cancel(parent, now=T0)
    assert place(child) == "dependency", "the other may still end"
    run(service, other)
    assert (place(child), edges(child)) == ("pending", [(parent, end), (other, "completed")])


@pytest.mark.parametrize("end", ["dead", "cancelled", "discarded"])
def test_told_to_it_is_cancelled_with_its_parent_and_so_are_those_behind_it(
    service: DocumentQueueService, end: str
) -> None:
    parent, other = item(service), item(service)
    child = item(service, after=[other, parent], if_parent_fails="cancel", unique_key="u")
    grandchild = item(service, after=[child], if_parent_fails="cancel")
    held = item(service, after=[child])
    anyway = item(service, after=[child], if_parent_fails="run")
    if end == "cancelled":
        service.cancel(parent, now=T0)
    else:
        die(service, parent)
    ended = past(child)
    assert ended is not None
    assert (ended["status"], ended["error_code"]) == ("cancelled", "parent_failed")
    word = "was cancelled" if end == "cancelled" else "is dead"
    assert ended["error_message"] == f"item {parent} ({OPERATION}), which it comes after, {word}"
    assert service.explain(child) == f"Cancelled: item {parent} ({OPERATION}), which it comes after, {word}."
    assert service.explain(grandchild).startswith(f"Cancelled: item {child} ({OPERATION}), which it comes after, was")
    assert "comes after" not in service.explain(parent)
    assert [place(i) for i in (grandchild, held, anyway)] == ["cancelled", "dependency", "pending"]
    assert item(service, unique_key="u") != child, "its unique key is free"
    run(service, other)
    promote.run("default", T0)
    assert edges(child) == [(parent, ended and word.rsplit(maxsplit=1)[-1]), (other, "completed")]
    assert not Dependency.objects.filter(outcome=None).exists()


def test_a_thousand_that_are_cancelled_one_after_the_other(service: DocumentQueueService) -> None:
    ids = service.chain([NewItem(operation=OPERATION) for _ in range(1000)], now=T0)
    service.cancel(ids[0], now=T0)
    assert rows("select status, count(*) from docqueue_history group by 1") == [{"status": "cancelled", "count": 1000}]


def test_a_child_of_a_parent_that_was_cancelled_before_is_cancelled_at_the_enqueue(
    service: DocumentQueueService,
) -> None:
    parent = item(service)
    service.cancel(parent, now=T0)
    first = NewItem(operation=OPERATION, rules=Rules(after=[parent], if_parent_fails="cancel"))
    second = NewItem(operation=OPERATION, rules=Rules(after=[first], if_parent_fails="cancel"))
    assert [place(i) for i in service.enqueue_many([first, second], now=T0)] == ["cancelled", "cancelled"]
    new = service.enqueue(None, OPERATION, after=[parent], if_parent_fails="cancel", now=T0)
    assert new.status is Status.CANCELLED


def test_a_parent_that_was_deleted_by_hand_counts_as_cancelled(service: DocumentQueueService) -> None:
    parent = item(service)
    held, anyway = item(service, after=[parent]), item(service, after=[parent], if_parent_fails="run")
    rows("delete from docqueue_item where id = %s returning 1", [parent])
    promote.run("default", T0)
    assert [place(i) for i in (held, anyway)] == ["dependency", "pending"]
    assert edges(held) == edges(anyway) == [(parent, "cancelled")]


def test_of_a_parent_that_was_deleted_by_hand_only_the_number_is_told(service: DocumentQueueService) -> None:
    parent = item(service)
    child = item(service, after=[parent], if_parent_fails="cancel")
    rows("delete from docqueue_item where id = %s returning 1", [parent])
    promote.run("default", T0)
    assert service.explain(child) == f"Cancelled: item {parent}, which it comes after, was cancelled."


def test_behind_its_parents_come_its_time_and_its_other_rules(service: DocumentQueueService) -> None:
    parent = item(service)
    line = item(service, ordering_key="k")
    child = item(service, after=[parent], run_after=later(days=4000), ordering_key="k")
    run(service, parent)
    assert place(child) == "delayed"
    promote.run("default", later(days=4001))
    assert place(child) == "ordering"
    run(service, line)
    assert place(child) == "pending"


def test_let_run_by_a_person_a_child_does_not_wait_for_its_parents_any_more(service: DocumentQueueService) -> None:
    parent = item(service)
    child = item(service, after=[parent])
    service.requeue(child, now=T0)
    run(service, child)
    run(service, parent, 1)
    promote.run("default", T0)
    assert edges(child) == [(parent, "completed")], "and nobody looks at it again"


@pytest.mark.parametrize("fails", ["cancel", "run", "hold"])
@pytest.mark.parametrize("verb", ["cancel", "requeue"])
def test_a_dead_parent_of_whom_nobody_waits_any_more_is_looked_at_once(
    service: DocumentQueueService, verb: str, fails: str
) -> None:
    parent, other = item(service), item(service)
    child = item(service, after=[parent, other], if_parent_fails=fails)
    getattr(service, verb)(child, now=T0)
    die(service, parent)
    promote.run("default", T0)
    asked = {"after": 0, "limit": 1000}
    assert not any(something for _, something in store.run("default", "unresolved_parents", asked))


def test_the_level_check_finds_what_no_event_announced(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies right behind its commit tells nobody."""
    parents = [item(service) for _ in range(3)]
    children = [item(service, after=parents, if_parent_fails=way) for way in ("hold", "run", "cancel")]
    with monkeypatch.context() as dead:
        dead.setattr(transaction, "on_commit", lambda *args, **options: None)
        run(service, parents[0])
        run(service, parents[1])
        die(service, parents[2])
    assert [place(i) for i in children] == ["dependency"] * 3
    assert dependencies.promote_all("default", T0) == 2
    assert [place(i) for i in children] == ["dependency", "pending", "cancelled"]
    assert dependencies.promote_all("default", T0) == 0


def test_a_parent_that_ends_before_its_childs_commit_is_seen_after_it(service: DocumentQueueService) -> None:
    """The finish can not see the child, nor the child's enqueue the finish."""
    parent = item(service)
    with transaction.atomic():
        child = item(service, after=[parent])
        in_threads(1, lambda n: run(service, parent))
        assert edges(child) == [(parent, None)]
    assert place(child) == "pending"


def test_whoever_ends_a_parent_of_many_lets_some_go_and_the_promoter_the_others(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dependencies, "SLICE", 10)
    monkeypatch.setattr(dependencies, "AT_ONCE", 20)
    parent = item(service)
    children = service.enqueue_many(
        [NewItem(operation=OPERATION, rules=Rules(after=[parent])) for _ in range(50)], now=T0
    )
    run(service, parent)
    assert [place(i) for i in children] == ["pending"] * 20 + ["dependency"] * 30
    promote.run("default", T0)
    assert [place(i) for i in children] == ["pending"] * 50


def test_the_level_check_goes_past_many_parents_that_still_run(service: DocumentQueueService) -> None:
    ids = service.enqueue_many([NewItem(operation=OPERATION) for _ in range(1100)], now=T0)
    children = [NewItem(operation=OPERATION, rules=Rules(after=[i])) for i in ids]
    behind = service.enqueue_many(children, now=T0)
    with store.connection("default").cursor() as cursor:
        cursor.execute("delete from docqueue_item where id = %s", [ids[-1]])
        cursor.execute("update docqueue_dependency set if_failed = 'run' where child_id = %s", [behind[-1]])
    assert promote.run("default", T0) == 1
    assert place(behind[-1]) == "pending"


def test_a_child_that_somebody_has_locked_is_left_for_the_next_round(service: DocumentQueueService) -> None:
    parent = item(service)
    child = item(service, after=[parent])
    with somebody_else() as other:
        other.execute("select from docqueue_item where id = %s for update", [child])
        run(service, parent)
        assert (place(child), edges(child)) == ("dependency", [(parent, None)])
    assert promote.run("default", T0) == 1
    assert place(child) == "pending"


@pytest.mark.parametrize("way", ["run", "cancel"])
def test_of_two_parents_that_end_at_once_one_lets_the_child_go(service: DocumentQueueService, way: str) -> None:
    """Ten finish the ten parents of each child at the same time, while others promote. Each child moves once."""
    parents = service.enqueue_many([NewItem(operation=OPERATION) for _ in range(200)], now=T0)
    groups = [parents[n : n + 10] for n in range(0, 200, 10)]
    rules = [Rules(after=group, if_parent_fails=way) for group in groups for _ in range(5)]
    children = service.enqueue_many([NewItem(operation=OPERATION, rules=rule) for rule in rules], now=T0)

    def work(number: int) -> int:
        if number >= 10:
            return sum(dependencies.promote_all("default") for _ in range(10))
        for group in groups:
            end = die if way == "cancel" and number == 9 else run
            end(service, group[number])
        return 0

    in_threads(12, work)
    dependencies.promote_all("default")
    wanted = "pending" if way == "run" else "cancelled"
    assert {place(i) for i in children} == {wanted}
    positions = rows("select count(distinct position) as n from docqueue_item where status = 'pending'")
    assert positions == [{"n": 100 if way == "run" else 0}]
    ended = rows("select count(*) as n from docqueue_history where error_code = 'parent_failed'")
    assert ended == [{"n": 0 if way == "run" else 100}]


def test_enqueues_and_finishes_at_once_leave_no_child_behind(service: DocumentQueueService) -> None:
    """Children come while their parents end; within one round of the promoter all of them may run."""
    parents = service.enqueue_many([NewItem(operation=OPERATION) for _ in range(100)], now=T0)

    def work(number: int) -> list[int]:
        if number < 5:
            me = worker(None)
            for claim in service.claim(20, worker=me):
                service.mark_completed(claim)
            return []
        return [service.enqueue(None, OPERATION, after=parents[n : n + 2]).id for n in range(number, 98, 3)]

    children = [child for found in in_threads(10, work) for child in found]
    for parent in rows("select id from docqueue_item where status = 'pending' and id = any(%s)", [parents]):
        run(service, parent["id"])
    dependencies.promote_all("default")
    assert {place(child) for child in children} <= {"pending", "completed"}


@TESTED
def test_drain_runs_a_diamond_in_order_with_the_results_passed_on(service: DocumentQueueService, registry: Any) -> None:
    from docqueue.handlers import handler

    handler("test.sum")(lambda ctx: sum(ctx.parent_results.values()) + 1)
    top = NewItem(operation="test.sum")
    sides = [NewItem(operation="test.sum", rules=Rules(after=[top])) for _ in range(2)]
    ids = service.enqueue_many([top, *sides, NewItem(operation="test.sum", rules=Rules(after=sides))])
    ran = testing.drain()
    assert [one.item.id for one in ran] == ids
    assert service.get_item(ids[-1]).result == 5


def test_dependencies_go_when_their_child_is_in_no_history_any_more(service: DocumentQueueService) -> None:
    parent = item(service)
    old, new = item(service, after=[parent]), item(service, after=[parent])
    run(service, parent)
    run(service, old)
    prune.run("default", T0)
    assert Dependency.objects.count() == 2
    HistoryItem.objects.filter(id__in=[old, parent]).delete()
    prune.run("default", T0)
    assert list(Dependency.objects.values_list("child_id", flat=True)) == [new]


def test_a_chain_runs_one_after_the_other(service: DocumentQueueService) -> None:
    own = NewItem(operation=OPERATION, rules=Rules(if_parent_fails="run"))
    items = [NewItem(operation=OPERATION), NewItem(operation=OPERATION), own]
    ids = service.chain(items, now=T0)
    assert [place(i) for i in ids] == ["pending", "dependency", "dependency"]
    assert [i.rules for i in items] == [None, None, own.rules], "the items are the caller's again"
    run(service, ids[0])
    assert [place(i) for i in ids[1:]] == ["pending", "dependency"]
    die(service, ids[1])
    assert place(ids[2]) == "pending", "its own rules say so"
    assert service.chain([]) == []
    with pytest.raises(InvalidOption, match="twice"):
        service.chain([items[0], items[0]])


def test_a_chain_ends_with_the_one_that_fails_unless_it_is_to_hold_or_go_on(service: DocumentQueueService) -> None:
    found = {}
    for way in ("cancel", "hold", "run"):
        ids = service.chain([NewItem(operation=OPERATION) for _ in range(3)], if_parent_fails=way, now=T0)
        die(service, ids[0])
        found[way] = [place(i) for i in ids[1:]]
    assert found == {
        "cancel": ["cancelled", "cancelled"],
        "hold": ["dependency", "dependency"],
        "run": ["pending", "dependency"],
    }


def test_a_finish_waits_for_nobody_who_looks_at_the_same_children(service: DocumentQueueService) -> None:
    """Somebody has locked the row: the child goes, and what came of its parent is copied in the next round."""
    parent = item(service)
    child = item(service, after=[parent])
    with somebody_else() as other:
        other.execute("select from docqueue_dependency for update")
        run(service, parent, 1)
        assert (place(child), edges(child)) == ("pending", [(parent, None)])
        context = Context(service.mark_in_progress(child, now=T0), "default", Silent())
        assert context.parents == [(parent, "completed", 1)], "the child has it all the same"
    promote.run("default", T0)
    assert edges(child) == [(parent, "completed")]


def test_the_level_check_reads_parents_and_not_the_children_that_wait(service: DocumentQueueService) -> None:
    """Fifty thousand wait for ten parents that run, and for one that is dead."""
    parents = service.enqueue_many([NewItem(operation=OPERATION) for _ in range(11)], now=T0)
    die(service, parents[-1])
    with store.connection("default").cursor() as cursor:
        cursor.execute(
            "insert into docqueue_dependency (child_id, parent_id) "
            "select 1000000 + n, (%s::bigint[])[n %% 11 + 1] from generate_series(1, 50000) n",
            [parents],
        )
        cursor.execute("vacuum analyze docqueue_dependency")
        sql = "explain (analyze, buffers, format json) " + store.sql("unresolved_parents")
        cursor.execute(sql, {"after": 0, "limit": 1000})
        found = cursor.fetchone()[0]
    top = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    assert top["Actual Rows"] == 11
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < 1_000
    assert store.run("default", "unresolved_parents", {"after": 0, "limit": 1000}) == [(p, False) for p in parents]
    asked = {"parents": parents[-1:], "after": 0, "limit": 1000}
    assert store.run("default", "children_of", asked) == [], "those on hold go on waiting"


@pytest.mark.parametrize("statistics", ["fit", "of the empty tables"])
def test_a_look_at_children_reads_these_and_their_parents_only(service: DocumentQueueService, statistics: str) -> None:
    """Among sixty thousand items and as many dependencies, half of them between items that have ended."""
    with store.connection("default").cursor() as cursor, transaction.atomic():
        cursor.execute("analyze docqueue_item, docqueue_dependency, docqueue_history")
        cursor.execute(
            "insert into docqueue_item (id, queue, status, wait_reason, operation, payload, metadata, max_attempts, "
            "timeout_seconds) select n, 'q', 'waiting', 'dependency', 'test.noop', '{}', '{}', 5, 300 "
            "from generate_series(1000001, 1060000) n"
        )
        cursor.execute(
            "insert into docqueue_dependency (child_id, parent_id) "
            "select n + 1, case when n %% 2 = 0 then n else -n end from generate_series(1000001, 1059999) n",
            [],
        )
        if statistics == "fit":
            cursor.execute("analyze docqueue_item, docqueue_dependency")
        for setting in store.BY_INDEX_LOCALLY.split(";"):
            cursor.execute(setting)
        sql = "explain (analyze, buffers, format json) " + store.sql("promote_children")
        cursor.execute(
            sql,
            {
                "children": list(range(1_000_002, 1_000_002 + dependencies.LOOK)),
                "parents": None,
                "fair": False,
                "now": None,
            },
        )
        found = cursor.fetchone()[0]
        transaction.set_rollback(True)
    nodes = [(json.loads(found) if isinstance(found, str) else found)[0]["Plan"]]
    for node in nodes:
        nodes += node.get("Plans", [])
    scanned = {node.get("Relation Name") for node in nodes if node["Node Type"] == "Seq Scan"}
    assert not scanned & {"docqueue_item", "docqueue_dependency"}
    assert nodes[0]["Shared Hit Blocks"] + nodes[0]["Shared Read Blocks"] < 10_000
