"""A process that dies at any statement of any verb leaves what was committed, no more, and the queue gets over it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection

from docqueue import claiming, history, store
from docqueue.maintenance import promote, prune, reap
from docqueue.service import DocumentQueueService
from docqueue.worker.forks import start_fork_server
from tests.docqueue.crash_points import doomed, scenes_stats
from tests.docqueue.crash_points.doomed import COMMIT, NAME, Event, Point
from tests.docqueue.crash_points.scenes import SCENES, Scene
from tests.docqueue.crash_points.snapshot import Snapshot, clear, snapshot
from tests.docqueue.helpers import T0, later, rows, until, worker

pytestmark = pytest.mark.django_db(transaction=True)
KILLED = -9
MORE_SCENES = (scenes_stats,)
"""Imported for the scenes that they add."""
AFTERWARDS = later(hours=2)


@pytest.fixture(autouse=True)
def partitions() -> Iterator[None]:
    """Those of the scenes' time and of ours; what a scene makes of them is undone."""
    reset()
    yield
    reset()


def reset() -> None:
    """An empty queue, and the partitions that belong to it."""
    history.forget()
    history.ensure("default", T0)
    history.ensure("default", weeks=history.WEEKS_AHEAD)
    wanted = {history.week(T0)[0], *history._known["default"]}
    with connection.cursor() as cursor:
        clear(cursor)
    for name, _ in store.run("default", "partitions", {}):
        if name not in wanted:
            store.drop_partition("default", name)
    history.forget()


def look() -> Snapshot:
    with connection.cursor() as cursor:
        return snapshot(cursor)


def prepare(scene: Scene) -> tuple[Snapshot, Any]:
    """Set the scene: what the database says before, and what the doomed process is given."""
    reset()
    given = scene.prepare(DocumentQueueService())
    return look(), given


def act(scene: Scene, given: Any, point: Point | None) -> list[Event]:
    """Act the scene in a process of its own, which dies at `point`; without one, what happened."""
    start_fork_server()
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe(duplex=False)
    name = str(connection.settings_dict["NAME"])
    process = context.Process(target=doomed.main, args=(scene.act, given, point, name, theirs))
    process.start()
    theirs.close()
    try:
        events = ours.recv() if point is None else []
        process.join(30)
        assert process.exitcode == (0 if point is None else KILLED)
    finally:
        ours.close()
        process.kill()
        process.join()
    # What it had sent may still be carried out: wait for the end of its session.
    until(lambda: not rows("select 1 from pg_stat_activity where application_name = %s", [NAME]))
    return events


def points(before: Snapshot, events: list[Event]) -> list[tuple[Point, Snapshot]]:
    """Where the process can die, and what the database says then: before each statement, and after each commit."""
    found: list[tuple[Point, Snapshot]] = []
    now = before
    for number, event in enumerate(events):
        found.append((("before", number), now))
        if event.then is not None:
            now = event.then
            found.append((("after", number), now))
    return found


def commits(before: Snapshot, events: list[Event]) -> list[str]:
    """The statements with which something came to be."""
    states = [before, *(event.then for event in events if event.then is not None)]
    names = [event.name for event in events if event.then is not None]
    return [name for name, (one, other) in zip(names, pairwise(states), strict=True) if one != other]


def orphans() -> list[dict[str, Any]]:
    """Unique keys of which there is no item."""
    return rows(
        "select key from docqueue_key k where not exists (select from docqueue_any_item i where i.id = k.item_id)"
    )


def get_over_it(expected: Snapshot) -> None:
    """Whoever is left brings every item to its end, once."""
    service = DocumentQueueService()
    prune.run("default", AFTERWARDS)
    for _ in range(10):
        reap.run("default", AFTERWARDS)
        promote.run("default", AFTERWARDS)
        me = worker(AFTERWARDS)
        claims = service.claim(50, worker=me, now=AFTERWARDS)
        while alone := claiming.claim_suspect("default", me, ["default"], AFTERWARDS):
            claims.append(alone)
        for claim in claims:
            service.mark_completed(claim, now=AFTERWARDS)
        live = rows("select id, status, wait_reason from docqueue_item where status <> 'dead'")
        if not live:
            break
    assert not live
    ids = [row["id"] for row in rows("select id from docqueue_item union all select id from docqueue_history")]
    assert len(ids) == len(set(ids)) == len(expected["item"]) + len(expected["history"])
    assert not rows(
        "select 1 from docqueue_key k join docqueue_history h on h.id = k.item_id "
        "where k.lifetime in ('claimed', 'finished')"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SCENES))
def test_whoever_dies_at_a_statement_leaves_what_was_committed_and_the_rest_goes_on(name: str) -> None:
    scene = SCENES[name]
    before, given = prepare(scene)
    events = act(scene, given, None)
    assert look() == points(before, events)[-1][1]
    assert commits(before, events) == scene.commits
    for point, expected in points(before, events):
        where = f"{point[0]} {events[point[1]].name} ({point[1]})"
        begun, given = prepare(scene)
        assert begun == before, where
        known = orphans()
        act(scene, given, point)
        assert look() == expected, where
        assert all(key in known for key in orphans()), where
        get_over_it(expected)


def test_every_statement_has_its_crash_points() -> None:
    """A new one fails here until a scene sends it."""
    sent: set[str] = set()
    for scene in SCENES.values():
        _, given = prepare(scene)
        events = act(scene, given, None)
        assert events, scene
        sent |= {event.name for event in events}
    assert sent == {*store.names(), "copy", COMMIT}
