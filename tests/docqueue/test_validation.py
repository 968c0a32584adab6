"""What enqueue accepts and refuses, before the database sees anything."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from docqueue import validation
from docqueue.exceptions import (
    DocqueueError,
    InvalidItem,
    InvalidKey,
    InvalidOption,
    InvalidPriority,
    PayloadNotJson,
    PayloadTooLarge,
    UnknownOperation,
)
from docqueue.service import NewItem
from tests.docqueue.helpers import NewItemFactory


def columns(**options) -> dict:
    return validation.columns(NewItemFactory(**options))


def refused(error: type[DocqueueError], match: str, **options) -> DocqueueError:
    with pytest.raises(error, match=match) as caught:
        columns(**options)
    assert type(caught.value) is error
    assert caught.value.hint
    assert caught.value.code
    return caught.value


@pytest.mark.parametrize(("given", "stored"), [(7, "7"), ("seven", "seven"), (UUID(int=7), str(UUID(int=7)))])
def test_a_document_id_is_kept_as_text(given, stored):
    assert columns(document_id=given)["document_id"] == stored


def test_the_document_is_the_ordering_key_unless_another_is_named():
    assert validation.columns(NewItem(document_id=7, operation="test.noop"))["ordering_key"] == "7"
    assert validation.columns(NewItem(document_id=None, operation="test.noop"))["ordering_key"] is None
    assert columns(document_id=7, ordering_key="k")["ordering_key"] == "k"
    assert columns(document_id=7, ordering_key=None)["ordering_key"] is None


@pytest.mark.parametrize("field", ["document_id", "ordering_key", "unique_key"])
@pytest.mark.parametrize("value", ["", "x" * 256, "a\0b", "lone \ud800 surrogate"])
def test_a_key_that_can_not_be_stored_is_refused_by_name(field, value):
    refused(InvalidKey, field, **{field: value})


@pytest.mark.parametrize("value", ["", "x" * 65, "a\0b", "\udfff"])
def test_a_queue_name_that_can_not_be_stored_is_refused(value):
    refused(InvalidKey, "queue must be", queue=value)


@pytest.mark.parametrize("field", ["ordering_key", "unique_key", "queue"])
def test_a_key_must_be_a_string(field):
    refused(InvalidKey, field, **{field: 7})


def test_keys_of_the_largest_length_and_of_any_script_are_taken():
    assert columns(unique_key="ü" * 255)["unique_key"] == "ü" * 255
    assert columns(ordering_key="文書 😀")["ordering_key"] == "文書 😀"


@pytest.mark.parametrize(
    ("given", "number"),
    [(-100, -100), (100, 100), (0, 0), ("high", 50), ("normal", 0), ("medium", 0), ("low", -50), (None, 0)],
)
def test_priorities_are_numbers_or_words(given, number):
    assert columns(priority=given)["priority"] == number


@pytest.mark.parametrize("value", [-101, 101, 1.0, True, "urgent", "HIGH", "", [1], 10**30])
def test_a_priority_out_of_range_is_refused(value):
    refused(InvalidPriority, "-100 to 100", priority=value)


def test_an_unknown_operation_is_refused_with_the_nearest_name():
    refused(UnknownOperation, r"'test\.nop'.*Did you mean 'test\.noop'\?", operation="test.nop")


def test_an_unknown_operation_with_no_likeness_gets_no_suggestion():
    assert "Did you mean" not in str(refused(UnknownOperation, "zzzzqqqq", operation="zzzzqqqq"))


@pytest.mark.parametrize("value", [7, b"test.noop", ["test.noop"]])
def test_an_operation_must_be_a_string(value):
    refused(InvalidItem, "operation must be a string", operation=value)


def test_without_an_operation_the_default_is_taken(settings):
    settings.DOCQUEUE = {"DEFAULT_OPERATION": "test.echo"}
    assert columns(operation=None)["operation"] == "test.echo"


@pytest.mark.parametrize("value", [None, ""])
def test_without_an_operation_and_a_default_it_is_refused(settings, value):
    settings.DOCQUEUE = {}
    refused(InvalidItem, "operation is required", operation=value)


def test_the_call_wins_over_the_handler_and_the_handler_over_the_settings(settings, register):
    settings.DOCQUEUE = {"DEFAULT_QUEUE": "base", "MAX_ATTEMPTS": 9, "TIMEOUT_SECONDS": 90.0}
    register("special", queue="theirs", max_attempts=8, timeout_seconds=80)
    plain, special = columns(), columns(operation="special")
    mine = columns(operation="special", queue="mine", max_attempts=7, timeout_seconds=70)
    wanted = ("queue", "max_attempts", "timeout_seconds")
    assert [[c[w] for w in wanted] for c in (plain, special, mine)] == [
        ["base", 9, 90],
        ["theirs", 8, 80],
        ["mine", 7, 70],
    ]


@pytest.mark.parametrize(
    "value",
    [
        {"nan": float("nan")},
        {"infinite": float("inf")},
        {"set": {1}},
        {"bytes": b"x"},
        {"when": datetime(2026, 1, 1, tzinfo=UTC)},
        {("a", "b"): 1},
        {"surrogate": "\ud800"},
        {"\udc00": 1},
        {"nul": "a\0b"},
        {"n\0l": 1},
        {"deep": [{"x": ["\0"]}]},
        {"number": 10**5000},
        ["no", "dict"],
        "text",
        b"bytes",
        42,
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, dict) else ascii(next(iter(value))),
)
@pytest.mark.parametrize("field", ["payload", "metadata"])
def test_what_postgresql_can_not_store_as_json_is_refused(field, value):
    refused(PayloadNotJson, field, **{field: value})


def test_json_nested_deeper_than_anybody_can_read_back_is_refused():
    deep: dict = {}
    for _ in range(500):
        deep = {"a": deep}
    refused(PayloadNotJson, "nested", payload=deep)


def test_a_payload_that_contains_itself_is_refused():
    payload: dict = {}
    payload["self"] = payload
    refused(PayloadNotJson, "payload", payload=payload)


def test_a_backslash_u0000_that_is_no_nul_is_taken():
    payload = {"text": "\\u0000", "emoji": "😀", "path": "C:\\udata"}
    assert json.loads(columns(payload=payload)["payload"]) == payload


def test_a_payload_may_be_exactly_as_large_as_the_limit_and_no_larger(settings):
    settings.DOCQUEUE = {"PAYLOAD_MAX_BYTES": 100}
    frame = len('{"a":""}')
    assert len(columns(payload={"a": "x" * (100 - frame)})["payload"]) == 100
    error = refused(PayloadTooLarge, "payload is 101 bytes", payload={"a": "x" * (101 - frame)})
    assert error.status == 413


def test_metadata_has_a_limit_too():
    refused(PayloadTooLarge, "metadata", metadata={"a": "x" * 70_000})


def test_no_payload_is_an_empty_object():
    assert columns()["payload"] == "{}"


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3", 10**7])
def test_max_attempts_must_be_a_whole_number_of_at_least_one(value):
    refused(InvalidOption, "max_attempts", max_attempts=value)


HUGE = 10**400


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "3", HUGE], ids=lambda v: str(v)[:9])
def test_the_timeout_must_be_a_positive_number(value):
    refused(InvalidOption, "timeout_seconds must be a positive", timeout_seconds=value)


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), True, "3", 10**11, HUGE], ids=lambda v: str(v)[:9])
def test_the_delay_must_be_a_number_of_seconds(value):
    refused(InvalidOption, "delay_seconds", delay_seconds=value)


def test_a_delay_of_nought_is_no_delay():
    assert columns(delay_seconds=0)["delay_seconds"] == 0


def test_run_after_must_have_a_time_zone():
    refused(InvalidOption, "run_after must have a time zone", run_after=datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("value", ["2026-01-01T00:00:00Z", 0, datetime(2026, 1, 1, tzinfo=UTC).date()])
def test_run_after_must_be_a_datetime(value):
    refused(InvalidOption, "run_after must be a datetime", run_after=value)


def test_run_after_and_a_delay_exclude_each_other():
    refused(InvalidOption, "not both", run_after=datetime(2026, 1, 1, tzinfo=UTC), delay_seconds=5)
