"""Callers of the API, each with the permissions a test gives."""

import pytest
from django.contrib.auth.models import Permission, User

from docqueue.conf import get_settings
from tests.docqueue.api.callers import JsonClient

OPERATION = "api.demo"


@pytest.fixture
def operation(register):
    register(OPERATION, queue="demo")
    return OPERATION


@pytest.fixture
def person(db):
    """Make a logged-in caller with these permissions of docqueue."""

    def make(*codenames, staff=False, name="ann"):
        user = User.objects.create_user(name, password="x", is_staff=staff)
        found = Permission.objects.filter(content_type__app_label="docqueue", codename__in=codenames)
        assert len(found) == len(codenames)
        user.user_permissions.set(found)
        client = JsonClient()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def anonymous(db):
    return JsonClient()


@pytest.fixture
def configure(settings):
    """Set keys of DOCQUEUE for one test."""

    def change(**values):
        settings.DOCQUEUE = {**getattr(settings, "DOCQUEUE", {}), **values}

    yield change
    get_settings.cache_clear()
