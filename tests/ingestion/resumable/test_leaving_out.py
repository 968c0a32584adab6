"""The room can be left out: everything else works as before, also on a database that has its table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingestion.models import Intake
from ingestion.resumable.models import UploadSession
from tests.ingestion.factories import UserFactory
from tests.ingestion.resumable.tus import Tus
from tests.test_architecture import imports, modules

PROGRAM = """
import django; django.setup()
import sys
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from rest_framework.test import APIClient
call_command("check", "--fail-level", "WARNING")
call_command("makemigrations", "--check", "--dry-run", verbosity=0)
call_command("spectacular", "--validate", "--fail-on-warn", "--file", sys.argv[2])
api = APIClient(SERVER_NAME="localhost")
user = get_user_model().objects.get(pk=sys.argv[1])
api.force_authenticate(user)
sent = api.post("/api/v1/documents", {"file": SimpleUploadedFile("a.txt", b"a text")}, format="multipart")
assert sent.status_code == 202, sent.content
assert api.post("/api/v1/uploads").status_code == 404
call_command("process_document_queue", verbosity=0)
body = api.get(sent["Location"]).json()
assert body["status"] == "completed", body
for intake in api.get("/api/v1/intakes").json()["results"]:
    assert api.delete("/api/v1/intakes/%d" % intake["id"]).status_code == 204
user.delete()
"""


@pytest.mark.slow
def test_without_the_room_all_else_works(root: Path, project_env, tmp_path, documents_dir, transactional_db):
    owner = UserFactory()
    tus = Tus(owner)
    tus.begun(100)
    assert tus.patch(tus.begun(6), 0, b"a text").status_code == 204
    assert UploadSession.objects.count() == 2
    env = project_env | {"DJANGO_SETTINGS_MODULE": "tests.ingestion.resumable.without"}
    env |= {"EMBEDDED_POSTGRES_DIR": os.environ["EMBEDDED_POSTGRES_DIR"], "VAR_DIR": str(tmp_path / "var")}
    arguments = [str(owner.pk), str(tmp_path / "schema.yml")]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=root, env=env, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "/uploads" not in (tmp_path / "schema.yml").read_text()
    assert not Intake.objects.exists()
    assert UploadSession.objects.count() == 2, "what is left of it is in nobody's way"


def test_nobody_outside_of_the_room_imports_it(root: Path):
    room = root / "ingestion" / "resumable"
    outside = [path for package in ("docqueue", "ingestion", "config") for path in modules(package)]
    for path in outside:
        if not path.is_relative_to(room):
            assert not [name for name in imports(path) if name.startswith("ingestion.resumable")], path
