"""Settings: typed, few, and a wrong one is named with what was meant."""

from __future__ import annotations

import dataclasses

import pytest

from docqueue import conf
from docqueue.exceptions import ConfigurationError
from docqueue.management.commands.run_queue_worker import FLAGS
from docqueue.retry import Exponential


def test_an_unset_docqueue_works(settings):
    if hasattr(settings, "DOCQUEUE"):
        del settings.DOCQUEUE
    assert conf.get_settings() == conf.Settings()
    assert conf.problems({}) == []


def test_there_are_few_settings_beside_the_flags_of_a_worker():
    assert len(conf.FIELDS) <= 47
    assert len(conf.FIELDS) - len(FLAGS) <= 36


def test_every_setting_has_a_type_a_default_of_that_type_and_a_sentence_of_help():
    for field in conf.FIELDS:
        assert isinstance(field.default, field.type), field.name
        assert field.help.endswith("."), field.name
    assert set(conf.HELP) == {f.name for f in conf.FIELDS}


def test_the_defaults_pass_their_own_checks():
    assert conf.problems(dataclasses.asdict(conf.Settings())) == []


@pytest.mark.parametrize(
    ("wrong", "meant"), [("LEASE_SECOND", "LEASE_SECONDS"), ("lease_seconds", "LEASE_SECONDS"), ("QUEUE", "QUEUES")]
)
def test_an_unknown_key_is_named_with_the_one_that_was_meant(wrong, meant):
    [problem] = conf.problems({wrong: 30})
    assert repr(wrong) in problem
    assert f"Did you mean '{meant}'?" in problem


def test_a_key_like_no_other_gets_no_suggestion():
    assert conf.problems({"XQZ": 1}) == ["DOCQUEUE has no key 'XQZ'."]


def test_a_key_that_is_no_string_is_named_too():
    assert "has no key 5" in conf.problems({5: 1})[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROCESSES", "2"),
        ("PROCESSES", 2.5),
        ("PROCESSES", True),
        ("PROCESSES", None),
        ("LEASE_SECONDS", "30"),
        ("LEASE_SECONDS", False),
        ("QUEUES", "documents"),
        ("QUEUES", {"documents"}),
        ("DATABASE", 5),
        ("PROCESS_TOKEN", None),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_the_right_one(name, value):
    [problem] = conf.problems({name: value})
    assert f"DOCQUEUE[{name!r}] must be" in problem
    assert type(value).__name__ in problem


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_ATTEMPTS", 0),
        ("MAX_CRASHES", 0),
        ("PROCESSES", 0),
        ("BATCH_SIZE", 0),
        ("RETENTION_DAYS", 0),
        ("GRACE_SECONDS", -1),
        ("MEMORY_MB", -1),
        ("TIMEOUT_SECONDS", 0),
        ("TIMEOUT_SECONDS", float("nan")),
        ("LEASE_SECONDS", float("inf")),
        ("CALLER_LEASE_SECONDS", 0),
        ("POLL_SECONDS", 0),
        ("PROCESS_SECONDS", 1e18),
        ("RETRY_FACTOR", 0.5),
        ("DEFAULT_QUEUE", ""),
        ("DEFAULT_QUEUE", "q" * 65),
        ("QUEUES", [5]),
        ("QUEUES", [""]),
    ],
)
def test_a_value_out_of_range_is_named(name, value):
    assert any(f"DOCQUEUE[{name!r}]" in problem for problem in conf.problems({name: value}))


def test_whole_numbers_are_taken_for_durations():
    assert conf.Settings(LEASE_SECONDS=60).heartbeat_seconds == 20


def test_every_problem_is_reported_at_once():
    assert len(conf.problems({"A": 1, "B": 2, "PROCESSES": "x"})) == 3


@pytest.mark.parametrize("raw", [None, [], "x", 5])
def test_a_docqueue_that_is_no_dict_is_refused(raw):
    assert conf.problems(raw) == ["DOCQUEUE must be a dict."]


def test_using_wrong_settings_raises_with_every_problem(settings):
    settings.DOCQUEUE = {"PROCESES": 1, "LEASE_SECONDS": "x"}
    with pytest.raises(ConfigurationError, match=r"PROCESSES.*LEASE_SECONDS") as caught:
        conf.get_settings()
    assert caught.value.code == "configuration_error"


def test_a_changed_setting_is_seen_at_once_and_put_back(settings):
    settings.DOCQUEUE = {"BATCH_SIZE": 7}
    assert conf.get_settings().BATCH_SIZE == 7
    settings.DOCQUEUE = {}
    assert conf.get_settings().BATCH_SIZE == 1000


def test_queues_given_as_a_list_become_a_tuple(settings):
    settings.DOCQUEUE = {"QUEUES": ["a", "b"]}
    assert conf.get_settings().QUEUES == ("a", "b")


def test_the_default_retry_policy_comes_from_the_settings(settings):
    settings.DOCQUEUE = {"RETRY_BASE_SECONDS": 1, "RETRY_FACTOR": 2, "RETRY_MAX_SECONDS": 9}
    assert conf.get_settings().retry_policy == Exponential(base_seconds=1, factor=2, max_seconds=9)
