"""The samples: packed the same on every machine, and what expected.json says of them is so."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ingestion.archives import plan_archive
from ingestion.errors import IngestionError
from ingestion.extract import Extraction, extract, supported_types
from ingestion.sniff import sniff
from samples.build import ENTRIES, HERE, ZIP, build

EXPECTED: dict[str, Any] = json.loads((HERE / "expected.json").read_text(encoding="utf-8"))

ATTACHED = [name for name in EXPECTED["files"] if ".eml/" in name]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    with zipfile.ZipFile(ZIP) as archive:
        archive.extractall(folder)
    for name in ATTACHED:
        mail, attached = name.rsplit("/", 1)
        content = next(each.read() for each in extract(folder / mail, "eml").attachments if each.name == attached)
        place = folder / "attached" / name
        place.parent.mkdir(parents=True)
        place.write_bytes(content)
    return folder


def outcome(path: Path) -> tuple[str, str | None]:
    """How a file ends by itself, without what was uploaded beside it."""
    try:
        return ("completed" if extract(path, sniff(path)).has_text else "completed_no_text"), None
    except IngestionError as error:
        return "failed", error.code


def text_of(extraction: Extraction) -> str:
    return " ".join(page.text for page in extraction.pages).lower()


def test_building_writes_the_same_bytes_again() -> None:
    assert build() == ZIP.read_bytes(), "samples.zip is not what its sources make: run python -m samples.build"


def test_every_source_is_packed() -> None:
    sources = {path.relative_to(HERE / "documents").as_posix() for path in (HERE / "documents").rglob("*.*")}
    assert sources == {name for name, make in ENTRIES.items() if make is None}


def test_the_archive_passes_the_guard_and_holds_what_a_first_upload_should_show() -> None:
    plan = plan_archive(io.BytesIO(ZIP.read_bytes()))
    assert [entry.name for entry in plan.files] == list(ENTRIES)
    assert list(ENTRIES) == [name for name in EXPECTED["files"] if name not in ATTACHED]
    assert len(plan.files) >= 14
    assert any("/" in entry.name for entry in plan.files)
    assert len(ZIP.read_bytes()) < 200_000


EVERYDAY = {"pdf", "docx", "xlsx", "csv", "html", "markdown", "text", "json", "eml"}


def test_there_is_a_document_of_each_everyday_type_and_one_of_none(unpacked: Path) -> None:
    types = {sniff(unpacked / name).type for name in ENTRIES}
    assert types - set(supported_types()) == {"png"}
    assert types >= EVERYDAY


@pytest.mark.parametrize("name", EXPECTED["files"])
def test_each_file_ends_as_expected(unpacked: Path, name: str) -> None:
    expected = EXPECTED["files"][name]
    ended, code = outcome(unpacked / "attached" / name if name in ATTACHED else unpacked / name)
    assert ended in expected.get("outcome_any", [expected.get("outcome")])
    assert code == expected["code"]


def test_the_pairs_and_only_they_have_equal_content(unpacked: Path) -> None:
    digests = {name: sha256((unpacked / name).read_bytes()).hexdigest() for name in ENTRIES}
    equal = {digest for digest, count in Counter(digests.values()).items() if count > 1}
    assert [[digests[first], digests[second]] for first, second in EXPECTED["pairs"]] == [[each] * 2 for each in equal]
    for pair in EXPECTED["pairs"]:
        assert sorted(pair, key=list(ENTRIES).index) == pair
        assert all(EXPECTED["files"][name]["outcome_any"] == ["completed", "duplicate"] for name in pair)


def test_the_words_of_the_search_stand_in_one_documents_text_alone_and_in_no_name(unpacked: Path) -> None:
    words = EXPECTED["search"]["q"].lower().split()
    assert len(words) == 2
    for name in ENTRIES:
        assert not any(word in name.lower() for word in words)
        if outcome(unpacked / name)[0] == "completed":
            extraction = extract(unpacked / name, sniff(unpacked / name))
            found = [word in text_of(extraction) for word in words]
            assert found == [name == EXPECTED["search"]["finds"]] * 2, name
            assert not any(word in extraction.title.lower() for word in words)


def test_documents_have_the_pages_their_authors_gave_them(unpacked: Path) -> None:
    pages = {
        name: extract(unpacked / name, sniff(unpacked / name)).page_count
        for name in ("manual/dome-manual.pdf", "minutes/2026-03-12-committee.docx", "inventory/instruments.xlsx")
    }
    assert set(pages.values()) == {2}
