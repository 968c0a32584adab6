"""`manage.py check` as the doctor of the queue."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.management import find_commands, load_command_class
from django.db import connections
from django.db.utils import ConnectionHandler

from docqueue import checks, conf
from docqueue.exceptions import ConfigurationError

COMMANDS = find_commands(str(Path(checks.__file__).parent / "management"))


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


@pytest.mark.parametrize(
    ("table", "entry", "wrong", "meant"),
    [
        ("LIMITS", {"rat": 3}, "rat", "rate"),
        ("LIMITS", {"rate": 3, "Open_Second": 5}, "Open_Second", "open_seconds"),
        ("ROUTES", {"queu": "q"}, "queu", "queue"),
        ("TEMPLATES", {"operation": "test.noop", "priorty": 5}, "priorty", "priority"),
    ],
)
def test_an_unknown_key_in_an_entry_of_a_table_is_named_with_the_one_that_was_meant(
    settings, table, entry, wrong, meant
):
    settings.DOCQUEUE = {table: {"x": entry}}
    [error] = [m for m in run_checks(tags=["docqueue"]) if m.id.startswith("docqueue.")]
    assert error.id == "docqueue.E002"
    assert error.msg.startswith(f"DOCQUEUE[{table!r}]['x'] has no {wrong!r}: only ")
    assert error.msg.endswith(f". Did you mean {meant!r}?")
    with pytest.raises(ConfigurationError, match=f"Did you mean {meant!r}"):
        conf.get_settings()


@pytest.mark.django_db
def test_a_wrong_setting_is_a_check_error_also_where_the_queue_has_a_database_of_its_own(settings):
    settings.DATABASE_ROUTERS = ["docqueue.routers.DocqueueRouter"]
    settings.DOCQUEUE = {"LIMITS": {"x": {"rat": 3}}}
    assert "docqueue.E002" in ids(run_checks(databases=["default"]))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_leaves_it_to_the_checks_to_say_what_is_wrong_in_the_settings(settings, name):
    settings.DOCQUEUE = {"DATABASE": "other", "LIMITS": {"x": {"rat": 3}}, "PROCESSES": "x"}
    parser = load_command_class("docqueue", name).create_parser("manage.py", name)
    assert parser.get_default("database") == (None if name in ("queue_doctor", "queue_roles") else "other")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("test.noop", None),
        ("test.no*", None),
        ("*", None),
        ("test.nop", "'test.nop'] fits no registered operation. Did you mean 'test.noop'?"),
        ("TEST.noop", "'TEST.noop'] fits no registered operation."),
        ("nothing.*", "'nothing.*'] fits no registered operation."),
    ],
)
def test_a_route_that_fits_no_operation_is_w002(settings, pattern, said):
    settings.DOCQUEUE = {"ROUTES": {pattern: {"queue": "q"}}}
    found = [m for m in run_checks(tags=["docqueue"]) if m.id.startswith("docqueue.")]
    assert ids(found) == ([] if said is None else ["docqueue.W002"])
    assert said is None or said in found[0].msg
    assert not found or (found[0].hint and not found[0].is_serious())


def test_wrong_settings_do_not_break_the_check_of_the_routes(settings):
    settings.DOCQUEUE = {"PROCESES": 1, "ROUTES": {"nothing": {"queue": "q"}}}
    assert checks.check_routes() == []


def test_a_limit_that_a_handler_names_must_be_there(register, settings):
    register("test.held", limit_key="nowhere")
    assert "nowhere" in str([m.msg for m in run_checks(tags=["docqueue"]) if m.id == "docqueue.E005"])
    settings.DOCQUEUE = {"LIMITS": {"no*": {"rate": 1}}}
    assert not [m for m in run_checks(tags=["docqueue"]) if m.id == "docqueue.E005"]
