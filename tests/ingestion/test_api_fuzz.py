"""The whole API against its own description: requests that nobody would think of get an answer that is documented.

`API_CASES=10000` asks for as many in all as the longest runs have had.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import HealthCheck, Phase, given, seed, settings
from rest_framework.authtoken.models import Token
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.wsgi import application
from docqueue.maintenance import failures
from docqueue.service import DocumentQueueService
from ingestion.intakes import INGEST
from ingestion.services import accept_upload

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
CASES = int(os.environ.get("API_CASES", "1500"))
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
SELDOM = {"process_document_queue": 5, "queue_selftest": 1}
"""Operations that start a process, or wait for a worker: so many requests."""
LEAST = 5
UNWELL = {"get_health", "get_queue_health", "queue_selftest"}
"""Operations that answer 503 while no worker lives, as here."""


@pytest.fixture
def token(transactional_db: None, documents_dir: object) -> str:
    """Somebody who may do everything (who may not is asked nothing further), and who has something of each kind."""
    chief = User.objects.create_superuser("root")
    service = DocumentQueueService()
    for _ in range(10):
        service.enqueue(None, INGEST)
    for claim in service.claim(6):
        service.move_to_dead(claim, f"page {claim.id} is torn", code="torn")
    failures.run(service.using)
    service.bulk("discard", fingerprint="none")
    service.batch("a batch").seal()
    service.pause_queue("imports", "the archive moves")
    for n in range(3):
        accept_upload(chief.pk, [SimpleUploadedFile(f"{n}.txt", b"to be or not to be %d" % n)], tags=["fuzz"])
    return Token.objects.create(user=chief).key


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_answer_is_documented_and_none_is_an_error_of_the_server(token: str, settings: Any) -> None:
    settings.INGESTION = {**settings.INGESTION, "MAX_WAIT_SECONDS": 0}
    document = schemathesis.openapi.from_wsgi("/api/schema/?format=json", application)
    operations = [found.ok() for found in document.get_all_operations()]
    share = max(LEAST, CASES // len(operations))
    wrong: dict[str, str] = {}
    asked = 0
    for operation in operations:
        name = operation.definition.raw.get("operationId", operation.label)
        count = SELDOM.get(name, share)
        try:
            asked += _ask(operation, name, token, count)
        except AssertionError as error:
            wrong[name] = str(error)
        except FailureGroup as found:
            wrong[name] = "\n".join(f"{type(one).__name__}: {one}" for one in found.exceptions)[:3000]
    print(f"{asked} requests to {len(operations)} operations")
    assert not wrong, "\n\n".join(f"{name}: {text}" for name, text in wrong.items())


def _ask(operation: Any, name: str, token: str, count: int) -> int:
    asked = 0

    @seed(len(operation.label))
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=operation.as_strategy())
    def run(case: Any) -> None:
        nonlocal asked
        asked += 1
        answer = case.call(headers={"Authorization": f"Token {token}"})
        assert answer.status_code < 500 or name in UNWELL, (
            f"{answer.status_code} {answer.content[:500]!r} to {case.as_curl_command()}"
        )
        case.validate_response(answer, checks=CHECKS)

    run()
    return asked
