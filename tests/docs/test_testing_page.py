"""The examples of docs/how-to/testing.md, run as they stand there."""

from __future__ import annotations

import re
import unittest
from pathlib import Path
from types import SimpleNamespace

import pytest

from docqueue import handlers, testing
from docqueue.service import DocumentQueueService

OPERATIONS = ("document.ingest", "letter.send", "document.ocr")


@pytest.fixture
def page(root: Path):
    """What the page's blocks define, with the handlers they talk of."""
    known, hooks = dict(handlers._registry), dict(handlers._dead_hooks)
    names: dict[str, object] = {"outbox": [], "ocr_calls": 0, "DocumentQueueService": DocumentQueueService}

    def ocr(ctx):
        def expensive():
            names["ocr_calls"] += 1

        ctx.step("ocr", expensive)

    functions = [
        lambda ctx: None,
        lambda ctx: names["outbox"].append(SimpleNamespace(idempotency_key=ctx.idempotency_key)),
        ocr,
    ]
    for operation, function in zip(OPERATIONS, functions, strict=True):
        handlers.forget(operation)
        handlers.handler(operation)(function)
    text = (root / "docs/how-to/testing.md").read_text()
    for block in re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        exec(block, names)
    yield names
    handlers._registry.clear()
    handlers._registry.update(known)
    handlers._dead_hooks.update(hooks)


@pytest.mark.django_db(transaction=True)
def test_the_test_case_passes(page) -> None:
    result = unittest.TestResult()
    unittest.TestSuite([page["UploadTest"]("test_an_upload_is_read")]).run(result)
    assert (result.testsRun, result.failures, result.errors) == (1, [], [])


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name", ["test_no_letter_is_sent_twice", "test_a_crash_after_the_first_step_does_not_pay_for_ocr_again"]
)
def test_the_functions_pass(page, name: str) -> None:
    page[name](testing)
