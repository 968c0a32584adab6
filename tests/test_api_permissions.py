"""Who may do what: every address and method under /api/v1, asked by nobody, by somebody without the right, and with it.

The addresses come from the URL table: one that has no entry here fails.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from docqueue.api import urls as queue_urls
from docqueue.models import BulkOperation
from docqueue.service import DocumentQueueService
from docqueue.worker import once
from ingestion.api import urls as ingestion_urls
from ingestion.resumable import urls as resumable_urls
from tests.docqueue.api.callers import JsonClient, assert_problem
from tests.ingestion.conftest import documents_dir, owner
from tests.ingestion.factories import accept_document

__all__ = ["documents_dir", "owner"]
pytestmark = pytest.mark.django_db

LOOK = "view_queueitem"
"""Staff may do this as well."""
PROCESS = "process_queue"
ANYBODY = "whoever is logged in"
STREAM = "nobody by WSGI, where this test asks; by ASGI the owner: tests/ingestion/test_api_events.py"
STAFF = "the staff, whatever else they may"
OWNER = "the owner; for others there is nothing there"
OWN = "whoever is logged in, about what is their own"

MAY = {
    "docqueue:process": {"post": PROCESS},
    "docqueue:selftest": {"post": PROCESS},
    "docqueue:bulk": {"get": LOOK, "post": "requeue_item"},
    "docqueue:bulk-operation": {"get": LOOK},
    "docqueue:bulk-abort": {"post": "requeue_item"},
    "docqueue:stats": {"get": LOOK},
    "docqueue:limits": {"get": LOOK},
    "docqueue:queues": {"get": LOOK},
    "docqueue:queue": {"get": LOOK},
    "docqueue:queue-pause": {"post": "change_queue"},
    "docqueue:queue-resume": {"post": "change_queue"},
    "docqueue:workers": {"get": LOOK},
    "docqueue:worker": {"get": LOOK},
    "docqueue:worker-quiet": {"post": "manage_workers"},
    "docqueue:worker-unquiet": {"post": "manage_workers"},
    "docqueue:worker-stop": {"post": "manage_workers"},
    "docqueue:schedules": {"get": LOOK},
    "docqueue:schedule": {"get": LOOK},
    "docqueue:schedule-pause": {"post": "change_schedule"},
    "docqueue:schedule-resume": {"post": "change_schedule"},
    "docqueue:schedule-run": {"post": "change_schedule"},
    "docqueue:batches": {"get": LOOK},
    "docqueue:batch": {"get": LOOK},
    "docqueue:batch-seal": {"post": "change_batch"},
    "docqueue:errors": {"get": ANYBODY},
    "docqueue:health": {"get": ANYBODY},
    "docqueue:health-queue": {"get": ANYBODY},
    "docqueue:items": {"get": LOOK, "post": "add_queueitem"},
    "docqueue:items-bulk": {"post": "add_queueitem"},
    "docqueue:item": {"get": LOOK},
    "docqueue:item-status": {"get": LOOK},
    "docqueue:item-explain": {"get": LOOK},
    "docqueue:item-attempts": {"get": LOOK},
    "docqueue:item-cancel": {"post": "cancel_item"},
    "docqueue:item-requeue": {"post": "requeue_item"},
    "docqueue:item-run-now": {"post": "requeue_item"},
    "docqueue:item-priority": {"post": "change_queueitem"},
    "docqueue:dead-letters": {"get": LOOK},
    "docqueue:dead-letters-requeue": {"post": "requeue_item"},
    "docqueue:dead-letter-requeue": {"post": "requeue_item"},
    "docqueue:dead-letter-discard": {"post": "cancel_item"},
    "docqueue:failures": {"get": LOOK},
    "docqueue:failure": {"get": LOOK},
    "docqueue:failure-acknowledge": {"post": "acknowledge_failure", "delete": "acknowledge_failure"},
    "docqueue:failure-requeue": {"post": "requeue_item"},
    "docqueue:failure-discard": {"post": "cancel_item"},
    "ingestion:documents": {"get": OWN, "post": OWN},
    "ingestion:document": {"get": OWNER, "delete": OWNER},
    "ingestion:document-content": {"get": OWNER},
    "ingestion:document-events": {"get": STREAM},
    "ingestion:document-reprocess": {"post": OWNER},
    "ingestion:document-cancel": {"post": OWNER},
    "ingestion:document-tags": {"put": OWNER},
    "ingestion:file-content": {"get": OWNER},
    "ingestion:file-tags": {"put": OWNER},
    "ingestion:intakes": {"get": OWN},
    "ingestion:intake": {"get": OWNER, "delete": OWNER},
    "ingestion:intake-events": {"get": STREAM},
    "ingestion:intake-diagnostics": {"get": OWNER},
    "ingestion:intake-files": {"get": OWNER},
    "ingestion:intake-cancel": {"post": OWNER},
    "ingestion:intake-tags": {"put": OWNER},
    "ingestion:intake-reprocess": {"post": OWNER},
    "ingestion:intake-retry": {"post": OWNER},
    "ingestion:file-reprocess": {"post": OWNER},
    "ingestion:file-retry": {"post": OWNER},
    "ingestion:reprocess": {"post": OWN},
    "ingestion:reprocessing": {"get": OWNER},
    "ingestion:search": {"get": OWN},
    "ingestion:limits": {"get": ANYBODY},
    "ingestion:types": {"get": ANYBODY},
    "ingestion:km-diagnostics": {"get": STAFF},
    "ingestion-resumable:uploads": {"post": OWN},
    "ingestion-resumable:upload": {"patch": OWNER, "delete": OWNER},
}
BODIES = {
    "docqueue:bulk": {"action": "requeue", "everything": True},
    "docqueue:items": {"operation": "nobody.knows.it"},
    "docqueue:items-bulk": {"items": [{"operation": "nobody.knows.it"}]},
    "docqueue:item-priority": {"priority": 5},
    "docqueue:selftest": {"seconds": 0.1},
}
"""What a body must say for the permission to be asked for, or for the request to be quick."""


TUS = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
"""What a request of that protocol says before anything else is asked."""


SAMPLES = {"IntConverter": 1, "UUIDConverter": UUID(int=1)}


class Address(NamedTuple):
    """One method of one address."""

    name: str
    method: str
    arguments: dict[str, Any]

    @property
    def path(self) -> str:
        return reverse(self.name, kwargs=self.arguments)


def addresses() -> Iterator[Address]:
    """Every one in the URL tables."""
    for module in (queue_urls, ingestion_urls, resumable_urls):
        for pattern in module.urlpatterns:
            view = pattern.callback.view_class  # type: ignore[attr-defined]
            names = pattern.pattern.converters  # type: ignore[union-attr]
            known = {name: SAMPLES.get(type(kind).__name__, "x") for name, kind in names.items()}
            for method in ("get", "post", "put", "patch", "delete"):
                if hasattr(view, method) and method in view.http_method_names:
                    yield Address(f"{module.app_name}:{pattern.name}", method, known)


ADDRESSES = list(addresses())
IDS = [f"{a.method} {a.name}" for a in ADDRESSES]


def test_every_address_has_an_entry_and_every_entry_an_address() -> None:
    found: dict[str, set[str]] = {}
    for address in ADDRESSES:
        found.setdefault(address.name, set()).add(address.method)
    assert found == {name: set(methods) for name, methods in MAY.items()}


numbers = itertools.count()


def caller(*codenames: str, staff: bool = False) -> JsonClient:
    """Somebody with these permissions of docqueue."""
    user = User.objects.create_user(f"caller{next(numbers)}", password="x", is_staff=staff)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="docqueue", codename__in=codenames))
    client = JsonClient()
    client.force_login(user)
    return client


def ask(client: JsonClient, address: Address) -> Any:
    body = json.dumps(BODIES.get(address.name, {}))
    if address.name.startswith("ingestion-resumable:"):
        return client.generic(address.method.upper(), address.path, body, TUS["Content-Type"], headers=TUS)
    return client.generic(address.method.upper(), address.path, body, "application/json")


@pytest.fixture
def bulk_operation() -> None:
    """So that the abort of one asks for what starting it needs. Its number is 1 in the addresses."""
    pk = DocumentQueueService().bulk("requeue", everything=True).pk
    BulkOperation.objects.filter(pk=pk).update(id=1)


@pytest.mark.parametrize("address", ADDRESSES, ids=IDS)
def test_nobody_may_do_anything(address: Address) -> None:
    assert_problem(ask(JsonClient(), address), 401, "not_authenticated")


@pytest.mark.usefixtures("bulk_operation")
@pytest.mark.parametrize("address", ADDRESSES, ids=IDS)
def test_who_lacks_the_one_permission_is_refused_whatever_else_they_may(address: Address) -> None:
    needed = MAY[address.name][address.method]
    others = Permission.objects.filter(content_type__app_label="docqueue").exclude(codename=needed)
    client = caller(*others.values_list("codename", flat=True), staff=needed not in (LOOK, PROCESS, STAFF))
    answer = ask(client, address)
    if needed in (ANYBODY, OWN):
        assert answer.status_code not in (401, 403, 404, 500)
    elif needed == STREAM:
        assert_problem(answer, 406, "needs_asgi")
    elif needed == OWNER:
        assert answer.status_code == 404
    else:
        assert_problem(answer, 403, "permission_denied")
        if address.method == "get":
            assert client.head(address.path).status_code == 403


@pytest.mark.usefixtures("bulk_operation")
@pytest.mark.parametrize("address", ADDRESSES, ids=IDS)
def test_the_one_permission_is_enough(address: Address, monkeypatch) -> None:
    nothing = dict.fromkeys(once.ProcessResult.__dataclass_fields__, 0)
    monkeypatch.setattr(once, "process_document_queue", lambda **_: once.ProcessResult(**nothing))
    needed = MAY[address.name][address.method]
    answer = ask(caller(needed, staff=needed == STAFF), address)
    assert answer.status_code not in (401, 403, 405, 500)
    if needed in (LOOK, PROCESS):
        assert ask(caller(staff=True), address).status_code == answer.status_code


@pytest.mark.parametrize(
    "address",
    [a for a in ADDRESSES if a.name.startswith("ingestion:document-") and MAY[a.name][a.method] == OWNER],
    ids=lambda a: a.name,
)
def test_what_is_anothers_is_not_there(address: Address, owner) -> None:
    document = accept_document(owner)
    assert ask(caller(staff=True), address._replace(arguments={"pk": document.pk})).status_code == 404
    assert JsonClient().get("/api/v1/documents").status_code == 401
