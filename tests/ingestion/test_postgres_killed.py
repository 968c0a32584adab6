"""kill -9 of PostgreSQL at the boundaries of stages: the workers go on, every file is completed, and once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docqueue.worker.test_postmaster_killed import Private, private  # noqa: F401 - the fixture
from tests.ingestion.running import WorkerProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DEATHS = 6
FILES = 45
SEND = """
from django.contrib.auth import get_user_model
from tests.ingestion.factories import accept_zip, zipped
owner = get_user_model().objects.create_user("sender")
inner = zipped({f"{n}.txt": f"inner paper walrus{n}" for n in range(4)})
accept_zip(owner, {"inner.zip": inner} | {f"{n}.txt": f"paper heron{n} " * 20 for n in range(40)})
"""


def test_files_are_completed_once_though_postgresql_dies_at_the_boundaries_of_their_stages(
    private: Private,  # noqa: F811 - the fixture
    root: Path,
    tmp_path: Path,
) -> None:
    private.env |= {"DJANGO_SETTINGS_MODULE": "tests.settings"}  # the whole project's, not the queue's alone
    private.program("manage.py", "migrate", "-v0")
    private.program("manage.py", "shell", "-v0", "-c", SEND)
    graves = tmp_path / "graves"
    graves.mkdir()
    dying = {
        "DJANGO_SETTINGS_MODULE": "tests.ingestion.dying.settings",
        "DYING_DIR": str(graves),
        "DYING_TIMES": str(DEATHS),
        "DYING_POSTMASTER": str(private.folder / "data" / "postmaster.pid"),
    }
    with WorkerProcess(root, private.env | dying, "--processes", "2") as worker:
        ended = private.says("select count(*) from ingestion_intake where finished_at is not null", 1)
        worker.until(ended, 240)
        worker.until(lambda: len(list(graves.iterdir())) == DEATHS, 1)
    outcomes = dict(private.ask("select outcome, count(*) from ingestion_ingestfile group by 1"))
    assert outcomes == {"completed": FILES - 1, "unpacked": 1}
    assert private.ask("select max(n) from (select count(*) n from ingestion_chunk group by document_id) c") == [(1,)]
    assert private.ask("select count(distinct receipt_sha256) from ingestion_document") == [(FILES - 1,)]
    failed = "select code, message from docqueue_attempt where outcome not in ('lease_lost', 'interrupted')"
    assert private.ask(failed) == []
