"""Errors of ingestion: stable codes, a message and a next step each, and nothing is lost between processes."""

from __future__ import annotations

import pickle
import re

import pytest

from ingestion.errors import (
    ArchiveRefused,
    EmptyFile,
    EmptyUpload,
    EncryptedArchive,
    EntryFailed,
    EntryTooLarge,
    IngestionError,
    TooLarge,
    error_classes,
)

CLASSES = [cls for cls in error_classes() if cls.__module__.startswith("ingestion.")]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_has_a_code_a_message_a_stage_and_a_status(cls: type[IngestionError]) -> None:
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", cls.code)
    assert cls.__doc__
    assert 400 <= cls.status < 600
    assert cls.stage in {"pending", "unzipping", "uploading", "indexing"}


def test_one_code_means_one_thing_to_retrying() -> None:
    kinds: dict[str, set[bool]] = {}
    for cls in CLASSES:
        kinds.setdefault(cls.code, set()).add(cls.retryable)
    assert {code for code, retryable in kinds.items() if len(retryable) > 1} == set()


def test_a_message_is_the_raisers_or_the_first_line_of_the_class() -> None:
    assert str(EncryptedArchive()) == "The archive is encrypted."
    assert str(EncryptedArchive("This one.")) == "This one."


def test_errors_of_several_families_can_be_caught_as_either() -> None:
    assert isinstance(EmptyUpload(), EmptyFile)
    assert isinstance(EmptyUpload(), ArchiveRefused)
    assert isinstance(EntryTooLarge(), TooLarge)
    assert isinstance(EntryTooLarge(), EntryFailed)
    assert EntryTooLarge.stage == EmptyUpload.stage == "unzipping"
    assert EmptyFile.stage == TooLarge.stage == "pending"


def test_an_error_survives_the_way_to_another_process() -> None:
    error = EncryptedArchive("This one.", hint="Do that.", code="other", retryable=True, stage="indexing")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is EncryptedArchive
    assert (str(copy), copy.hint, copy.code, copy.retryable, copy.stage) == (
        "This one.",
        "Do that.",
        "other",
        True,
        "indexing",
    )
    assert EncryptedArchive.code == "encrypted_archive"
