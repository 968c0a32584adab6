"""`manage.py check` as the doctor of the queue."""

from __future__ import annotations

import copy

import pytest
from django.core.checks import run_checks
from django.db import connections
from django.db.utils import ConnectionHandler

from docqueue import checks


def ids(found: list) -> list[str]:
    return [message.id for message in found]


@pytest.fixture
def aliases(monkeypatch):
    """Add database aliases for one test."""

    def add(**databases):
        handler = ConnectionHandler({**copy.deepcopy(connections.settings), **databases})
        monkeypatch.setattr(checks, "connections", handler)

    return add


def test_the_tests_own_settings_pass():
    assert [m for m in run_checks(tags=["docqueue"]) if m.id.startswith("docqueue.")] == []


def test_a_wrong_setting_is_e002_with_the_sentence_that_names_it(settings):
    settings.DOCQUEUE = {"PROCESES": 1}
    [error] = checks.check_settings()
    assert error.id == "docqueue.E002"
    assert "Did you mean 'PROCESSES'?" in error.msg
    assert error.hint


def test_the_checks_are_registered(settings):
    settings.DOCQUEUE = {"PROCESES": 1, "LEASE_SECONDS": "x"}
    assert ids(run_checks(tags=["docqueue"])) == ["docqueue.E002"] * 2


def test_a_project_without_time_zones_is_e003_with_what_to_set(settings):
    assert checks.check_time_zone() == []
    settings.USE_TZ = False
    [error] = checks.check_time_zone()
    assert (error.id, error.hint) == ("docqueue.E003", "Set USE_TZ = True.")
    assert "docqueue.E003" in ids(run_checks(tags=["docqueue"]))


def test_an_alias_that_does_not_exist_is_e001(settings):
    settings.DOCQUEUE = {"DATABASE": "nowhere"}
    [error] = checks.check_alias()
    assert error.id == "docqueue.E001"
    assert "'nowhere'" in error.msg
    assert "default" in error.hint


def test_an_sqlite_alias_is_e001_with_what_to_do(settings, aliases):
    aliases(lite={"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"})
    settings.DOCQUEUE = {"DATABASE": "lite"}
    [error] = checks.check_alias()
    assert error.id == "docqueue.E001"
    assert "sqlite" in error.msg
    assert "postgresql" in error.hint


def test_wrong_settings_do_not_break_the_check_of_the_alias(settings):
    settings.DOCQUEUE = {"PROCESES": 1}
    assert checks.check_alias() == []


def test_prepared_statements_are_a_warning(settings, aliases):
    postgres = copy.deepcopy(connections.settings["default"]) | {"OPTIONS": {"prepare_threshold": 5}}
    aliases(pooled=postgres)
    settings.DOCQUEUE = {"DATABASE": "pooled"}
    assert ids(checks.check_alias()) == ["docqueue.W001"]


def test_a_limit_that_a_handler_names_must_be_there(register, settings):
    register("test.held", limit_key="nowhere")
    assert "nowhere" in str([m.msg for m in run_checks(tags=["docqueue"]) if m.id == "docqueue.E005"])
    settings.DOCQUEUE = {"LIMITS": {"no*": {"rate": 1}}}
    assert not [m for m in run_checks(tags=["docqueue"]) if m.id == "docqueue.E005"]
