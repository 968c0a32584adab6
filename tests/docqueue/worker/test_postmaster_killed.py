"""kill -9 of PostgreSQL itself while items run: workers go on by themselves once it is back, and each effect is one."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config import embedded_postgres
from tests.docqueue.helpers import until
from tests.docqueue.worker.processes import ROOT, SHORT, Manage, marks

ENQUEUE = """
from docqueue.service import DocumentQueueService, NewItem
new = [NewItem(operation="test.effect", payload={"seconds": 0.02}, document_id=n % 20) for n in range(150)]
print(*DocumentQueueService().enqueue_many(new))
file = "FILE"
for operation in ("test.linger", "test.linger_in_complete"):
    payload = {"file": file, "seconds": 1.5, "again": 0}
    print(DocumentQueueService().enqueue(None, operation, priority="high", payload=payload).id)
"""


class Private:
    """An embedded PostgreSQL of the test's own, which it may kill."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self.env = env | SHORT | {"EMBEDDED_POSTGRES_DIR": str(folder), "TEST_DATABASE": "docqueue"}

    def program(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], env=self.env, cwd=ROOT, capture_output=True, text=True, timeout=90
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query returns; raises while the server is away."""
        with psycopg.connect(embedded_postgres.database_url(self.folder), autocommit=True) as connection:
            return connection.execute(sql).fetchall()

    def says(self, sql: str, wanted: int) -> Callable[[], bool]:
        """Whether a count is what it should be; False while the server is away."""

        def look() -> bool:
            try:
                return self.ask(sql)[0][0] == wanted
            except psycopg.OperationalError:
                return False

        return look


@pytest.fixture
def private(project_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Private]:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    folder = Path(tempfile.mkdtemp(prefix="docqueue-postmaster-"))
    folder.chmod(0o755)  # PostgreSQL runs as another account when the tests run as root
    env = {k: v for k, v in project_env.items() if k != "DATABASE_URL"}
    private = Private(folder / "postgres", env)
    embedded_postgres.ensure_running(private.folder)  # it stays as long as this process, however that ends
    private.program("manage.py", "migrate", "--run-syncdb", "-v0")
    yield private
    embedded_postgres.stop(private.folder)
    shutil.rmtree(folder, ignore_errors=True)


def test_after_kill_9_of_postgresql_workers_go_on_by_themselves_and_each_effect_happened_once(
    private: Private, tmp_path: Path
) -> None:
    manage = Manage(private.env, tmp_path)
    file = tmp_path / "marks"
    ids = [
        int(n) for n in private.program("manage.py", "shell", "-v0", "-c", ENQUEUE.replace("FILE", str(file))).split()
    ]
    effects = {*ids[:-2], ids[-1]}
    try:
        workers = [manage.worker("--processes", 2, ready=False) for _ in range(2)]
        until(lambda: len(marks(file)) >= 2, 30)
        private.program("-m", "config.embedded_postgres", "kill")
        completed = "select count(*) from docqueue_history where status = 'completed'"
        until(private.says(completed, len(ids)), 60)
        found = private.ask("select item_id from testapp_effect order by item_id")
        assert sorted(effects) == [n for (n,) in found]
        assert private.ask("select distinct attempt, crashes from docqueue_history") == [(1, 0)]
        assert (
            private.ask(
                "select outcome, message from docqueue_attempt where outcome not in ('lease_lost', 'interrupted')"
            )
            == []
        )
        assert all(w.popen.poll() is None for w in workers)
        assert any(w.said("database_unwell") for w in workers)
        assert [w.stop() for w in workers] == [0, 0]
    finally:
        manage.end()
