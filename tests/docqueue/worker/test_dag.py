"""A graph of items, run by workers that are killed again and again: each node once, none before its parents."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from docqueue.models import AnyItem, Dependency
from docqueue.service import DocumentQueueService, NewItem, Rules
from tests.docqueue.helpers import until
from tests.docqueue.worker.processes import Manage, Running, completed, worker_row
from tests.testapp.models import Effect

WORKERS = 4
MOST_SECONDS = 300


@dataclass
class Graph:
    """Nodes in layers, each with one to three parents in the layer before it."""

    nodes: list[NewItem] = field(default_factory=list)
    parents: list[list[int]] = field(default_factory=list)
    """By node: the numbers of its parents."""
    depths: list[int] = field(default_factory=list)


def graph(seed: int, layers: int, width: int) -> Graph:
    chance, made = random.Random(seed), Graph()
    for layer in range(layers):
        before = range(max(0, layer - 1) * width, layer * width)
        for _ in range(width):
            parents = sorted(chance.sample(before, chance.randint(1, 3))) if layer else []
            rules = Rules(after=[made.nodes[n] for n in parents], if_parent_fails="cancel") if parents else None
            made.nodes.append(NewItem(operation="test.node", rules=rules))
            made.parents.append(parents)
            made.depths.append(layer)
    return made


def storm(manage: Manage, seed: int, nodes: int, kills: int) -> None:
    """Run until all is done. Each time so many nodes more are, a worker is killed, and another takes its place."""
    chance, running = random.Random(seed), [_start(manage) for _ in range(WORKERS)]
    for n in range(1, kills + 1):
        until(lambda n=n: completed() >= n * nodes // (kills + 1), MOST_SECONDS)
        victim = chance.choice(_ready(running))
        victim.kill()
        running[running.index(victim)] = _start(manage)
    until(lambda: completed() > nodes, MOST_SECONDS)


def _start(manage: Manage) -> Running:
    """A worker; that others free what it holds soon after its death is most of the time that this test takes."""
    return manage.worker("--processes", 1, ready=False, DOCQUEUE_LEASE_SECONDS=2)


def _ready(running: list[Running]) -> list[Running]:
    """Those that work."""
    found: list[Running] = []

    def look() -> bool:
        found[:] = [one for one in running if worker_row(one) is not None and one.popen.poll() is None]
        return bool(found)

    until(look, 30)
    return found


@pytest.mark.parametrize(
    ("layers", "width", "kills"),
    [
        pytest.param(6, 50, 3, id="300 nodes, 3 kills"),
        pytest.param(10, 1000, 50, id="10,000 nodes, 50 kills", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
    ],
)
def test_each_node_runs_once_behind_its_parents_and_the_callback_once(
    manage: Manage, service: DocumentQueueService, layers: int, width: int, kills: int
) -> None:
    seed = layers * width
    made = graph(seed, layers, width)
    with service.batch("graph", on_complete=NewItem(operation="test.node", payload={"end": True})) as batch:
        ids = batch.add(made.nodes)
    storm(manage, seed, len(ids), kills)

    (end,) = AnyItem.objects.filter(operation="test.node").exclude(id__in=ids)
    status = service.batch_status(batch)
    assert (status.outcome, status.completed, status.total) == ("completed", len(ids), len(ids))
    assert (status.callback_id, end.status, end.metadata) == (end.id, "completed", {"batch_id": batch.id})

    # A number is drawn before its transaction commits: a child that had not waited for that could have a smaller one.
    effects = list(Effect.objects.order_by("id").values_list("item_id", "note"))
    place = {item_id: n for n, (item_id, _) in enumerate(effects)}
    assert sorted(item_id for item_id, _ in effects) == sorted([*ids, end.id]), "each has one effect"
    early = [n for n, before in enumerate(made.parents) for one in before if place[ids[one]] >= place[ids[n]]]
    assert not early, "some ran before a parent"
    assert place[end.id] == len(ids), "the callback is the last"
    notes = dict(effects)
    assert [int(notes[item_id]) for item_id in ids] == made.depths, "each got its parents' results"
    assert set(Dependency.objects.values_list("outcome", flat=True)) == {"completed"}
