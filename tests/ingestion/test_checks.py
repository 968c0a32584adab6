"""`manage.py check` finds wrong settings of ingestion."""

from __future__ import annotations

import pytest

from ingestion.checks import check_search_config, check_settings


def test_the_settings_as_they_are_pass(db):
    assert check_settings() == []
    assert check_search_config(databases=["default"]) == []


@pytest.mark.parametrize("given", [{"MAX_ENTRYS": 1}, {"SEARCH_CONFIG": "english; drop table x"}, {"SEARCH_CONFIG": 7}])
def test_a_wrong_setting_is_an_error_of_the_checks(settings, given):
    settings.INGESTION = given
    (error,) = check_settings()
    assert error.id == "ingestion.E001"
    assert next(iter(given)) in error.msg


def test_a_language_that_the_database_does_not_know_is_an_error_that_names_those_it_does(db, settings):
    settings.INGESTION = {"SEARCH_CONFIG": "klingon"}
    (error,) = check_search_config(databases=["default"])
    assert error.id == "ingestion.E004"
    assert "german" in error.hint


def test_the_database_is_not_asked_unless_it_is_to_be_checked(settings):
    settings.INGESTION = {"SEARCH_CONFIG": "klingon"}
    assert check_search_config(databases=None) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"KM": "ingestion.km.http.HttpKM"}, "INGESTION_KM_URL"),
        ({"KM": "ingestion.km.http.HttpKM", "KM_URL": "km.example.org", "KM_TOKEN": "hunter2"}, "INGESTION_KM_URL"),
        ({"KM": "ingestion.km.nothing.There"}, "ingestion.km.nothing"),
    ],
)
def test_a_knowledge_store_that_can_not_be_used_is_named(settings, given, told):
    settings.INGESTION = given
    (error,) = check_settings()
    assert error.id == "ingestion.E005"
    assert told in error.msg
    assert "hunter2" not in error.msg


def test_the_setting_of_before_is_not_passed_over_in_silence(settings):
    settings.INGESTION_KM = "ingestion.km.local.LocalKM"
    (error,) = check_settings()
    assert (error.id, "INGESTION_KM" in error.msg) == ("ingestion.E005", True)
