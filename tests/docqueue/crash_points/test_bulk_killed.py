"""A bulk operation whose worker is killed at any statement is gone on with by another: as if nobody had died."""

from __future__ import annotations

from typing import Any

import pytest

from docqueue.maintenance import bulk, promote
from docqueue.models import AuditEntry, BulkOperation
from tests.docqueue.crash_points import test_crash_points as crash
from tests.docqueue.crash_points.scenes_bulk import IN_PARTS
from tests.docqueue.crash_points.snapshot import Snapshot
from tests.docqueue.crash_points.test_crash_points import partitions  # noqa: F401 - a fixture for each test
from tests.docqueue.helpers import later

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def gone_on_with(given: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Snapshot, Any]:
    """What the database says when another worker has done the rest, in as small slices."""
    monkeypatch.setattr(bulk, "SLICE", IN_PARTS)
    bulk.run("default", later(2), seconds=30)
    promote.run("default", later(2))
    found = BulkOperation.objects.get(pk=given)
    return crash.look(), (found.state, found.total, found.done, found.skipped)


@pytest.mark.parametrize("name", ["bulk_requeue", "bulk_cancel", "bulk_priority", "bulk_purge"])
def test_it_repeats_nothing_and_misses_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = crash.SCENES[name]
    before, given = crash.prepare(scene)
    events = crash.act(scene, given, None)
    wanted = gone_on_with(given, monkeypatch)
    assert wanted[1][0] == "done"
    for point, _ in crash.points(before, events):
        _, given = crash.prepare(scene)
        crash.act(scene, given, point)
        assert gone_on_with(given, monkeypatch) == wanted, point
        assert AuditEntry.objects.filter(action__endswith="_done").count() == 1, point
