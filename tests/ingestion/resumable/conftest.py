"""A live site for the tests that need one."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from rest_framework.authtoken.models import Token

from tests.ingestion.factories import UserFactory
from tests.ingestion.resumable.site import Site

JS = Path(__file__).parent / "js"


@pytest.fixture
def site_env(project_env, tmp_path):
    """The environment of a site whose files are this test's alone."""
    return project_env | {
        "EMBEDDED_POSTGRES_DIR": os.environ["EMBEDDED_POSTGRES_DIR"],
        "VAR_DIR": str(tmp_path / "var"),
        "INGESTION_RESUMABLE_TAKEOVER_SECONDS": "3600",  # a machine may be slow, and nobody silent
    }


@pytest.fixture
def token(project_env):
    """The token of a user."""
    return Token.objects.create(user=UserFactory()).key


@pytest.fixture
def site(root, site_env, token):
    """The running web server; killed in the end."""
    there = Site(root, site_env, token)
    with there.running():
        yield there


@pytest.fixture(scope="session")
def node_client(root: Path) -> Path:
    """A folder with tus-js-client as the lock file has it, installed once for each lock file."""
    assert shutil.which("node"), "node is missing: apt-get install nodejs npm"
    assert shutil.which("npm"), "npm is missing: apt-get install nodejs npm"
    lock = (JS / "package-lock.json").read_bytes()
    folder = root / "var/npm" / hashlib.sha256(lock).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(JS / name, folder)
            command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110, check=False)
            assert done.returncode == 0, done.stderr
            (folder / "complete").touch()
    shutil.copy(JS / "send.mjs", folder)
    return folder
