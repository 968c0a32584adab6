"""One file among ten thousand that ends the process of its reader, each time: one failure, and no more."""

from __future__ import annotations

import pytest

from docqueue.models import Attempt, Worker
from ingestion.models import IngestFile, Intake, IntakeStatus
from tests.ingestion.factories import UserFactory, accept_zip
from tests.ingestion.running import WorkerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(600)]

FILES = 10_000


def test_one_poison_file_among_ten_thousand_costs_one_failure(root, project_env):
    papers = {f"{n // 500}/{n}.txt": f"paper number {n}" for n in range(FILES - 1)}
    intake = accept_zip(UserFactory(), {"0/bad.poison": "POISON", **papers})
    env = project_env | {"DJANGO_SETTINGS_MODULE": "tests.ingestion.stuck_settings"}
    with WorkerProcess(root, env, "--processes", "2") as worker:
        worker.until(lambda: Intake.objects.filter(finished_at__isnull=False).exists(), 480)
    intake.refresh_from_db()
    assert intake.status == IntakeStatus.COMPLETED_WITH_ERRORS
    assert (intake.counts["completed"], intake.counts["failed"]) == (FILES - 1, 1)
    bad = IngestFile.objects.get(outcome="failed")
    assert (bad.safe_name, bad.error_code) == ("bad.poison", "parser_crashed")
    assert set(Attempt.objects.values_list("item_id", flat=True)) == {bad.item_id}, "no other file lost an attempt"
    assert Attempt.objects.filter(outcome="crashed").count() == 2
    assert not Worker.objects.filter(lost_at__isnull=False).exists()
