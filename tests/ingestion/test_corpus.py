"""All real documents through a real worker: each ends as the table of the corpus says, and no process is lost."""

from __future__ import annotations

import pytest

from docqueue.models import Attempt, QueueItem, Worker
from ingestion.extract import supported_types
from ingestion.models import IngestFile, Outcome
from tests.corpus import judge
from tests.corpus.sending import look, send
from tests.corpus.table import on_disk, read_table
from tests.ingestion.factories import UserFactory
from tests.ingestion.running import WorkerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def sender(transactional_db):
    """Whose documents they are. They lie where the worker process looks: not in a folder of this test alone."""
    return UserFactory()


def test_every_document_is_as_the_table_says_and_no_worker_is_lost(corpus, root, project_env, sender):
    rows, disk = read_table(), on_disk(corpus)
    sent = send(sender.pk, corpus, list(disk))
    with WorkerProcess(root, project_env) as worker:
        worker.until(lambda: not sent.unfinished(), 300)
    assert not IngestFile.objects.filter(outcome=Outcome.FAILED, error_message="").exists()
    assert not QueueItem.objects.exclude(status="dead").exists()
    assert not Worker.objects.filter(lost_at__isnull=False).exists()
    assert Worker.objects.filter(stopped_at__isnull=False).count() == 1
    assert not Attempt.objects.filter(outcome__in=["crashed", "timed_out", "lease_lost"]).exists()
    wrong = list(judge.differences(rows, disk, look(sent, rows)))
    scored = judge.scores(rows, wrong, supported_types())
    assert judge.passed(wrong, scored), judge.report(wrong, scored)
