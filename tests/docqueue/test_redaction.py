"""What people see of payloads, and that a clone has what was hidden from the one who made it."""

from __future__ import annotations

import pytest

from docqueue import redaction
from docqueue.checks import check_redaction
from docqueue.conf import overridden
from docqueue.redaction import HIDDEN, hide_secrets, restored, shown

SECRETS = {
    "password": "a", "db_passwd": "a", "clientSecret": "a", "access_token": "a", "Authorization": "Bearer a",
    "api-key": "a", "apiKey": "a", "X-API-Key": "a", "private_key": {"pem": "a"}, "cookies": ["a"],
    "credentials": {"user": "a"}, "aws_secret_access_key": "a", "sessionId": "a",
}  # fmt: skip
PLAIN = {"page": 1, "author": "b", "keyword": "b", "monkey": "b", "pass": 3, "name": "b", "ordering_key": "b"}


@pytest.mark.parametrize("key", SECRETS)
def test_values_of_keys_that_sound_like_secrets_are_hidden_however_deep(key: str) -> None:
    value = {"list": [{"deep": {key: SECRETS[key]}}]}
    assert hide_secrets("op", value) == {"list": [{"deep": {key: HIDDEN}}]}
    assert value["list"][0]["deep"][key] == SECRETS[key], "the payload itself is left alone"


@pytest.mark.parametrize("key", PLAIN)
def test_other_values_are_shown(key: str) -> None:
    assert hide_secrets("op", {key: PLAIN[key]}) == {key: PLAIN[key]}


def test_what_is_too_deep_to_look_at_is_hidden() -> None:
    value: object = "x"
    for _ in range(200):
        value = {"a": value}
    assert "x" not in str(hide_secrets("op", value))


def by_operation(operation: str, payload: object) -> object:
    return {"operation": operation, "kept": isinstance(payload, dict)}


def failing(operation: str, payload: object) -> object:
    raise RuntimeError("no")


def test_a_function_of_ones_own_decides_and_when_it_fails_nothing_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    with overridden(REDACT=f"{__name__}.by_operation"):
        assert shown("mail", {"a": 1}) == {"operation": "mail", "kept": True}
        assert check_redaction() == []
    with overridden(REDACT=f"{__name__}.failing"):
        assert shown("mail", {"a": 1}) == redaction.FAILED
    assert "failed for a payload of mail" in caplog.text
    with overridden(REDACT="nowhere.at_all"):
        assert shown("mail", {"a": 1}) == redaction.FAILED
        assert [error.id for error in check_redaction()] == ["docqueue.E006"]
    with overridden(REDACT=f"{__name__}.PLAIN"):
        assert [error.id for error in check_redaction()] == ["docqueue.E006"]


def test_what_was_hidden_is_put_back_wherever_it_was_left_alone() -> None:
    original = {"token": "t", "a": 1, "users": [{"password": "p", "name": "x"}, {"password": "q"}]}
    seen = hide_secrets("op", original)
    assert restored(seen, seen, original) == original
    edited = {"token": HIDDEN, "a": 2, "users": [{"password": HIDDEN, "name": "y"}, {"password": "new"}], "more": 1}
    assert restored(edited, seen, original) == {
        "token": "t",
        "a": 2,
        "users": [{"password": "p", "name": "y"}, {"password": "new"}],
        "more": 1,
    }
    assert restored({"a": 1}, seen, original) == {"a": 1}
    assert restored({"users": [{"password": HIDDEN}]}, seen, original) == {"users": [{"password": HIDDEN}]}
