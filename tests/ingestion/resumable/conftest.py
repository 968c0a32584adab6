"""A live site for the tests that need one."""

from __future__ import annotations

import os

import pytest
from rest_framework.authtoken.models import Token

from tests.ingestion.factories import UserFactory
from tests.ingestion.resumable.site import Site


@pytest.fixture
def site_env(project_env, tmp_path):
    """The environment of a site whose files are this test's alone."""
    return project_env | {
        "EMBEDDED_POSTGRES_DIR": os.environ["EMBEDDED_POSTGRES_DIR"],
        "VAR_DIR": str(tmp_path / "var"),
        "INGESTION_RESUMABLE_TAKEOVER_SECONDS": "1",
    }


@pytest.fixture
def token(project_env):
    """The token of a user."""
    return Token.objects.create(user=UserFactory()).key


@pytest.fixture
def site(root, site_env, token):
    """The running web server; killed in the end."""
    there = Site(root, site_env, token)
    there.start()
    yield there
    there.kill()
