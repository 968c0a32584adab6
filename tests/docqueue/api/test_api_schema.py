"""The OpenAPI document: stable operation ids, examples, and every refusal described."""

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from docqueue.api import urls

OPERATIONS = {
    ("/queue/process", "post"): "process_document_queue",
    ("/queue/selftest", "post"): "queue_selftest",
    ("/queue/bulk", "get"): "list_bulk_operations",
    ("/queue/bulk", "post"): "start_bulk_operation",
    ("/queue/bulk/{bulk_id}", "get"): "get_bulk_operation",
    ("/queue/bulk/{bulk_id}/abort", "post"): "abort_bulk_operation",
    ("/queue/limits", "get"): "list_queue_limits",
    ("/queues", "get"): "list_queues",
    ("/queues/{name}", "get"): "get_queue",
    ("/queues/{name}/pause", "post"): "pause_queue",
    ("/queues/{name}/resume", "post"): "resume_queue",
    ("/queue/stats", "get"): "get_queue_stats",
    ("/workers", "get"): "list_workers",
    ("/workers/{worker_id}", "get"): "get_worker",
    ("/workers/{worker_id}/quiet", "post"): "quiet_worker",
    ("/workers/{worker_id}/unquiet", "post"): "unquiet_worker",
    ("/workers/{worker_id}/stop", "post"): "stop_worker",
    ("/schedules", "get"): "list_schedules",
    ("/schedules/{schedule_id}", "get"): "get_schedule",
    ("/schedules/{schedule_id}/pause", "post"): "pause_schedule",
    ("/schedules/{schedule_id}/resume", "post"): "resume_schedule",
    ("/schedules/{schedule_id}/run", "post"): "run_schedule",
    ("/batches", "get"): "list_batches",
    ("/batches/{batch_id}", "get"): "get_batch",
    ("/batches/{batch_id}/seal", "post"): "seal_batch",
    ("/errors", "get"): "list_error_codes",
    ("/health", "get"): "get_health",
    ("/health/queue", "get"): "get_queue_health",
    ("/items", "get"): "list_items",
    ("/items", "post"): "enqueue_item",
    ("/items/bulk", "post"): "enqueue_items",
    ("/items/{item_id}", "get"): "get_item",
    ("/items/{item_id}/status", "get"): "get_item_status",
    ("/items/{item_id}/explain", "get"): "explain_item",
    ("/items/{item_id}/attempts", "get"): "list_item_attempts",
    ("/items/{item_id}/run-now", "post"): "run_item_now",
    ("/items/{item_id}/priority", "post"): "change_item_priority",
    ("/items/{item_id}/cancel", "post"): "cancel_item",
    ("/items/{item_id}/requeue", "post"): "requeue_item",
    ("/dead-letters", "get"): "list_dead_letters",
    ("/dead-letters/requeue", "post"): "requeue_dead_letters",
    ("/dead-letters/{item_id}/requeue", "post"): "requeue_dead_letter",
    ("/dead-letters/{item_id}/discard", "post"): "discard_dead_letter",
    ("/dead-letters/groups", "get"): "list_failures",
    ("/dead-letters/groups/{fingerprint}", "get"): "get_failure",
    ("/dead-letters/groups/{fingerprint}/acknowledge", "post"): "acknowledge_failure",
    ("/dead-letters/groups/{fingerprint}/acknowledge", "delete"): "unacknowledge_failure",
    ("/dead-letters/groups/{fingerprint}/requeue", "post"): "requeue_failure",
    ("/dead-letters/groups/{fingerprint}/discard", "post"): "discard_failure",
}


@pytest.fixture(scope="module")
def document():
    return SchemaGenerator(patterns=urls.urlpatterns).get_schema(request=None, public=True)


def test_the_document_is_valid_openapi(document):
    validate_schema(document)


def test_generating_it_warns_of_nothing(capsys):
    from drf_spectacular.drainage import GENERATOR_STATS

    with GENERATOR_STATS.silence():
        GENERATOR_STATS.reset()
        SchemaGenerator(patterns=urls.urlpatterns).get_schema(request=None, public=True)
        assert not GENERATOR_STATS, (GENERATOR_STATS._warn_cache, GENERATOR_STATS._error_cache)


def test_operation_ids_are_what_clients_were_generated_from(document):
    found = {(path, method): o["operationId"] for path, ops in document["paths"].items() for method, o in ops.items()}
    assert found == OPERATIONS


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_has_an_example_and_every_refusal_is_a_problem(document, path, method):
    operation = document["paths"][path][method]
    assert operation["description"]
    if method == "post":
        assert operation["requestBody"]["content"]["application/json"]["examples"]
    refusals = 0
    for status, answer in operation["responses"].items():
        for content_type, content in answer.get("content", {}).items():
            assert content["examples"], (status, content_type)
            if content_type == "application/problem+json":
                refusals += 1
                assert content["schema"]["$ref"].endswith("/Problem")
                for example in content["examples"].values():
                    assert str(example["value"]["status"]) == status
                    assert {"type", "title", "code", "detail", "hint", "retryable"} <= set(example["value"])
    assert refusals


def test_the_rules_of_admission_are_fields_of_an_enqueue_and_of_an_item(document):
    shapes = document["components"]["schemas"]
    rules = {"tenant", "limit_key", "concurrency_key", "concurrency_limit"}
    assert rules <= set(shapes["EnqueueRequestRequest"]["properties"])
    assert {*rules, "concurrency_slot", "batch_id"} <= set(shapes["ItemAnswer"]["properties"])


def test_the_cron_endpoint_takes_its_token(document):
    security = document["paths"]["/queue/process"]["post"]["security"]
    assert {"processToken": []} in security
    assert document["components"]["securitySchemes"]["processToken"]["scheme"] == "bearer"
