"""kill -9 at every place of a handler with durable steps: what is stored is not done again, effects happen once."""

from __future__ import annotations

from pathlib import Path

import pytest

from docqueue.models import HistoryItem
from docqueue.service import DocumentQueueService
from tests.docqueue.helpers import past, until
from tests.docqueue.worker.processes import Manage, marks, outcomes
from tests.testapp.models import Effect


@pytest.mark.parametrize(
    ("place", "times_one"),
    [("inside", 2), ("between", 1), ("atomic", 1), ("after", 1), ("complete", 1), ("end", 1)],
)
def test_wherever_the_process_is_killed_stored_steps_are_skipped_and_each_write_happens_once(
    manage: Manage, service: DocumentQueueService, tmp_path: Path, place: str, times_one: int
) -> None:
    file = tmp_path / "marks"
    item = service.enqueue(None, "test.steps", payload={"file": str(file), "die": [place]}).id
    manage.worker("--processes", 1, DOCQUEUE_RETRY_BASE_SECONDS=0.1)
    until(lambda: past(item) is not None and past(item)["status"] == "completed")
    assert [line[1] for line in marks(file)].count("one") == times_one
    assert sorted(Effect.objects.values_list("attempt", flat=True)) == [2, 3]
    assert HistoryItem.objects.get(pk=item).result == {"pages": 3}
    assert outcomes(item) == ([] if place == "end" else ["crashed"])


@pytest.mark.slow
def test_killed_at_several_places_and_set_aside_it_goes_on_where_it_was_when_it_is_requeued(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    die = ["between", "atomic", "after"]
    item = service.enqueue(None, "test.steps", payload={"file": str(file), "die": die}).id
    manage.worker("--processes", 1, DOCQUEUE_RETRY_BASE_SECONDS=0.1)
    until(lambda: service.get_status(item) == "dead")
    service.requeue(item)
    until(lambda: service.get_status(item) == "completed")
    assert [line[1] for line in marks(file)].count("one") == 1
    assert sorted(Effect.objects.values_list("attempt", flat=True)) == [2, 3]
