"""Operators of the admin, and items in every state."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

OPERATION = "admin.demo"
VIEWS = ("view_queueitem", "view_attempt", "view_worker", "view_queue", "view_auditentry")
ALL = (*VIEWS, "view_payload", "requeue_item", "cancel_item")


@pytest.fixture
def operation(register):
    register(OPERATION, queue="demo")
    return OPERATION


@pytest.fixture
def operator(db):
    """Make a logged-in staff user with these permissions of docqueue."""

    def make(*codenames, name="ann"):
        user = User.objects.create_user(name, password="x", is_staff=True)
        found = Permission.objects.filter(content_type__app_label="docqueue", codename__in=codenames)
        assert len(found) == len(codenames)
        user.user_permissions.set(found)
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def ann(operator):
    """An operator who may do everything."""
    return operator(*ALL)


@pytest.fixture
def dead(service, operation):
    """Make a dead item; returns its id."""

    def make(document_id=None, message="it broke", **options):
        item = service.mark_in_progress(service.enqueue(document_id, operation, **options))
        service.mark_failed(item, message, code="broken", traceback="Traceback: line 1", retryable=False)
        return item.id

    return make
