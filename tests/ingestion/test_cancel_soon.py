"""A cancel while a real worker is in one of the stages: it is over within seconds, also where nobody listens."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from docqueue.models import QueueItem
from ingestion import storage
from ingestion.models import Chunk, IngestFile, Intake, Stage
from tests.ingestion.factories import UserFactory, accept, accept_zip, upload
from tests.ingestion.running import WorkerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

SECONDS = 5.0


@pytest.fixture
def owner(transactional_db):
    """Whose documents they are. They lie where the worker process looks."""
    return UserFactory()


def send_slowly_unpacked(owner) -> Intake:
    return accept_zip(owner, {f"{n}.txt": f"paper {n}" for n in range(4_000)})


STAGES = {
    "unzipping": (send_slowly_unpacked, lambda: IngestFile.objects.exclude(item_id=None).exists()),
    "uploading": (
        lambda owner: accept(owner, upload("upload.txt", "never handed over")),
        lambda: IngestFile.objects.filter(stage=Stage.UPLOADING).exists(),
    ),
    "reading": (
        lambda owner: accept(owner, upload("endless.stuck", b"STUCK" * 100_000)),
        lambda: IngestFile.objects.filter(stage=Stage.INDEXING).exists(),
    ),
    "indexing": (
        lambda owner: accept(owner, upload("index.txt", "word " * 100_000)),
        lambda: IngestFile.objects.filter(stage=Stage.INDEXING, percent__gte=30).exists(),
    ),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_cancel_takes_effect_within_seconds(owner, root, project_env, stage):
    send, reached = STAGES[stage]
    client = Client()
    client.force_login(owner)
    env = project_env | {"DJANGO_SETTINGS_MODULE": "tests.ingestion.stuck_settings"}
    with WorkerProcess(root, env, "--processes", "1") as worker:
        intake = send(owner)
        worker.until(reached, 30)
        assert client.post(f"/api/v1/intakes/{intake.pk}/cancel").status_code == 202
        state: dict[str, object] = {}

        def over() -> bool:
            state.update(json.loads(client.get(f"/api/v1/intakes/{intake.pk}").content))
            return bool(state["finished"])

        worker.until(over, 30)
    intake.refresh_from_db()
    assert state["status"] == "cancelled"
    assert (intake.finished_at - intake.cancel_requested_at).total_seconds() <= SECONDS
    assert not QueueItem.objects.exists()
    assert not IngestFile.objects.filter(outcome="").exists()
    assert not Chunk.objects.exclude(document__file__outcome="completed").exists()
    assert storage.remove_stale_parts(-60) <= 1, "a process that was ended leaves one unfinished file at most"
