"""The OpenAPI document of ingestion: valid, without warnings, each operation with an id of its own and its refusals."""

from __future__ import annotations

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema


@pytest.fixture(scope="module")
def document():
    """The schema of the whole project, and what generating it warned of."""
    with GENERATOR_STATS.silence():
        GENERATOR_STATS.reset()
        found = SchemaGenerator().get_schema(request=None, public=True)
        assert not GENERATOR_STATS, (GENERATOR_STATS._warn_cache, GENERATOR_STATS._error_cache)
    return found


def test_the_document_is_valid_openapi(document):
    validate_schema(document)


def test_every_operation_has_an_id_of_its_own_and_says_how_it_refuses(document):
    operations = [op for ops in document["paths"].values() for op in ops.values() if isinstance(op, dict)]
    ids = [op["operationId"] for op in operations]
    assert len(set(ids)) == len(ids)
    assert {"upload_document", "delete_document", "delete_intake", "tag_file", "retry_intake"} <= set(ids)
    mine = [op for op in operations if set(op["tags"]) & {"intakes", "documents", "search", "reprocessing"}]
    assert len(mine) > 20
    assert all("401" in op["responses"] for op in mine), [o["operationId"] for o in mine if "401" not in o["responses"]]
