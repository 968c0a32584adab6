"""Settings from the environment."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import settings_docs
from config.environment import PROJECT_FIELDS, Group, groups, kept_secret, parse
from docqueue.conf import SettingField

Run = Callable[..., subprocess.CompletedProcess[str]]
PRODUCTION = {
    "PRODUCTION": "true",
    "SECRET_KEY": "k" * 60,
    "ALLOWED_HOSTS": "docs.example.org",
    "DATABASE_URL": "postgresql://user:password@db.example.org/name",
}


@pytest.fixture
def settings_of(root: Path, open_folder: Path) -> Run:
    """Evaluate an expression on the settings, in a process with just these variables."""

    def run(expression: str, **variables: str) -> subprocess.CompletedProcess[str]:
        known = {f.name for f in PROJECT_FIELDS}
        kept = {k: v for k, v in os.environ.items() if k not in known and not k.startswith(("DOCQUEUE_", "INGESTION_"))}
        env = kept | {"VAR_DIR": str(open_folder), "DJANGO_SETTINGS_MODULE": "config.settings"} | variables
        code = f"from django.conf import settings; print(repr(({expression})))"
        return subprocess.run([sys.executable, "-c", code], env=env, cwd=root, capture_output=True, text=True)

    return run


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (bool, "yes", True),
        (bool, "OFF", False),
        (int, "7", 7),
        (float, "0.5", 0.5),
        (tuple, "a,b", ("a", "b")),
        (str, "words", "words"),
    ],
)
def test_a_variable_is_parsed_as_its_field_says(
    monkeypatch: pytest.MonkeyPatch, kind: type, text: str, value: Any
) -> None:
    monkeypatch.setenv("SOME_THING", text)
    assert parse("SOME_THING", SettingField("THING", kind, None, "")) == value


@pytest.mark.parametrize(("kind", "words"), [(bool, "true or false"), (int, "a whole number"), (float, "a number")])
def test_a_value_of_the_wrong_kind_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, kind: type, words: str) -> None:
    monkeypatch.setenv("SOME_THING", "maybe")
    with pytest.raises(ImproperlyConfigured, match=f"SOME_THING must be {words}, not 'maybe'"):
        parse("SOME_THING", SettingField("THING", kind, None, ""))


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PART_SIZE", "")
    group = Group("Part", "PART_", [SettingField("SIZE", int, 3, "")], "")
    assert (group.given(), group.all()) == ({}, {"SIZE": 3})


def test_every_setting_of_the_queue_can_be_set_by_environment(settings_of: Run) -> None:
    run = settings_of(
        "settings.DOCQUEUE", DOCQUEUE_LEASE_SECONDS="60", DOCQUEUE_QUEUES="a,b", DOCQUEUE_MAX_ATTEMPTS="2"
    )
    assert eval(run.stdout) == {"LEASE_SECONDS": 60.0, "QUEUES": ("a", "b"), "MAX_ATTEMPTS": 2}


def test_without_any_variable_the_embedded_database_is_used_on_loopback_only(settings_of: Run) -> None:
    run = settings_of(
        "settings.DATABASES['default']['ENGINE'], settings.ALLOWED_HOSTS, settings.DEBUG, settings.DOCQUEUE"
    )
    assert eval(run.stdout) == ("config.embedded_backend", ["localhost", "127.0.0.1", "[::1]"], False, {})


@pytest.mark.parametrize("name", ["SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL"])
def test_production_does_not_start_without_what_it_needs(settings_of: Run, name: str) -> None:
    run = settings_of("settings.DEBUG", **{k: v for k, v in PRODUCTION.items() if k != name})
    assert run.returncode != 0
    assert f"PRODUCTION is set, so {name} must be set too." in run.stderr


def test_production_and_debug_exclude_each_other(settings_of: Run) -> None:
    assert "exclude each other" in settings_of("settings.DEBUG", **PRODUCTION, DEBUG="true").stderr


def test_production_is_https_only_and_believes_no_proxy_unless_told(settings_of: Run) -> None:
    names = ("SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_PROXY_SSL_HEADER")
    expression = ", ".join(f"settings.{name}" for name in names)
    assert eval(settings_of(expression, **PRODUCTION).stdout) == (True, True, True, None)
    trusted = settings_of(expression, **PRODUCTION, TRUSTED_PROXY="true")
    assert eval(trusted.stdout)[3] == ("HTTP_X_FORWARDED_PROTO", "https")


def test_the_secret_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    first = kept_secret(tmp_path / "new" / "key")
    assert len(first) > 60
    assert kept_secret(tmp_path / "new" / "key") == first
    assert stat.S_IMODE((tmp_path / "new" / "key").stat().st_mode) == 0o600
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["key"]


@pytest.mark.parametrize("path", settings_docs.files(), ids=lambda path: path.name)
def test_the_generated_files_say_what_the_settings_are(path: Path) -> None:
    assert path.read_text() == settings_docs.files()[path], "run `make docs`"


def test_every_setting_has_a_sentence_that_explains_it() -> None:
    for group in groups():
        for field in group.fields:
            assert field.help.endswith("."), f"{group.prefix}{field.name}"
            assert "|" not in field.help


def test_settings_docs_check_fails_on_a_stale_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(settings_docs, "BASE_DIR", tmp_path)
    assert settings_docs.main(["--check"]) == 1
    assert ".env.example, docs/settings.md. Run `make docs`" in capsys.readouterr().out
    assert settings_docs.main([]) == 0
    assert settings_docs.main(["--check"]) == 0
