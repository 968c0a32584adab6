"""docs/openapi.yml is the API that the code serves: a change of the one is a change of the other."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from scripts import openapi_docs


def test_the_committed_document_is_what_the_code_serves(root: Path) -> None:
    committed = (root / "docs/openapi.yml").read_text()
    served = openapi_docs.text()
    told = [*difflib.unified_diff(committed.splitlines(), served.splitlines(), "committed", "served", lineterm="", n=2)]
    assert not told, "the API has changed: run `make docs`, and look at what it changes for clients\n" + "\n".join(
        told[:60]
    )


def test_it_is_openapi_3_1_and_valid() -> None:
    import yaml

    document = yaml.safe_load(openapi_docs.text())
    assert document["openapi"].startswith("3.1")
    validate(document)


@pytest.mark.parametrize("status", ["406", "429", "500", "503"])
def test_what_any_request_may_be_refused_with_is_said_of_every_operation(status: str) -> None:
    import yaml

    document = yaml.safe_load(openapi_docs.text())
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert status in operation["responses"], (method, path)
