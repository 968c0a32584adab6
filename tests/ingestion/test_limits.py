"""Limits come from one setting, and a wrong setting is named at once."""

from __future__ import annotations

from dataclasses import fields

import pytest
from django.core.exceptions import ImproperlyConfigured

from ingestion.limits import Limits, get_limits


def test_a_setting_changes_its_limit_and_no_other(settings) -> None:
    settings.INGESTION = {"MAX_ENTRIES": 7}
    assert get_limits() == Limits(max_entries=7)


def test_without_the_setting_the_defaults_hold(settings) -> None:
    del settings.INGESTION
    assert get_limits() == Limits()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"MAX_ENTRYS": 7}, "Did you mean 'MAX_ENTRIES'"),
        ({"max_entries": 7}, "Did you mean 'MAX_ENTRIES'"),
        ({"SOMETHING": 7}, "is not a setting"),
        ({"MAX_ENTRIES": 0}, "at least 1"),
        ({"MAX_ENTRIES": "7"}, "whole number"),
        ({"MAX_ENTRIES": True}, "whole number"),
        ({"ON_TYPE_MISMATCH": "explode"}, "one of warn, fail_file"),
        ({"FORMATS": "a.b"}, "list of texts"),
        ({"OCR": None}, "a text"),
        ({"KM": "LocalKM"}, "a name"),
        ({"KM_TRIES": 0}, "at least 1"),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, object], told: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=told):
        Limits.from_mapping(given)


def test_every_limit_is_documented_and_has_a_default_that_it_allows() -> None:
    documentation = Limits.documentation()
    defaults = {spec.name.upper(): spec.default for spec in fields(Limits)}
    assert Limits.from_mapping(defaults) == Limits()
    assert set(defaults) - {name.upper() for name in documentation} == {
        "FORMATS",
        "OCR",
        "OCR_LANGUAGES",
        "RESUMABLE_FOLDER",
        "SEARCH_CONFIG",
        *(name for name in defaults if name.startswith("KM")),
    }
    assert all(doc.endswith(".") for doc in documentation.values())


def test_a_secret_is_in_no_repr_and_no_complaint() -> None:
    assert "hunter2" not in repr(Limits(km_token="hunter2"))
    with pytest.raises(ImproperlyConfigured) as raised:
        Limits.from_mapping({"KM_TOKEN": ["hunter2"]})
    assert "hunter2" not in str(raised.value)
