"""docs/openapi.yml is the API that the code serves: a change of the one is a change of the other."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_spec_validator import validate

from scripts import openapi_docs


@pytest.fixture(scope="module")
def served() -> str:
    return openapi_docs.text()


@pytest.fixture(scope="module")
def document(served: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(served, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return found


def test_the_committed_document_is_what_the_code_serves(root: Path, served: str) -> None:
    committed = (root / "docs/openapi.yml").read_text()
    told = [*difflib.unified_diff(committed.splitlines(), served.splitlines(), "committed", "served", lineterm="", n=2)]
    assert not told, "\n".join(
        ["the API has changed: run `make docs`, and look what it changes for clients", *told[:60]]
    )


def test_it_is_openapi_3_1_and_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_what_any_request_may_be_refused_with_is_said_of_every_operation(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            missing = {"406", "429", "500", "503"} - set(operation["responses"])
            assert not missing, (method, path)
