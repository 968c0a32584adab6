"""The judge of the corpus: what it must notice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.corpus.judge import Found, differences, passed, report, scores
from tests.corpus.table import FOLDERS, Expected, corpus_folder, on_disk, read_table

BOOK = Expected(
    path="tika/book.pdf", type="pdf", sha256="aa", outcome="completed", phrase="white whale", page=3
)  # fmt: skip
SCAN = Expected(path="tika/scan.pdf", type="pdf", sha256="bb", outcome="completed_no_text", code="scan")
LOCKED = Expected(path="zips/locked.zip", type="zip", sha256="cc", outcome="refused", code="encrypted_archive")
PACKED = Expected(path="zips/packed.zip", type="zip", sha256="dd", outcome="unpacked")
NOTE = Expected(
    path="zips/packed.zip!note.txt", type="text", sha256="ee", outcome="completed", phrase="call me", page=1
)  # fmt: skip
ROWS = [BOOK, SCAN, LOCKED, PACKED, NOTE]
DISK = {row.path: row.sha256 for row in ROWS if row.uploaded}
FOUND = {
    BOOK.path: Found(outcome="completed", sha256="aa", pages=frozenset({1, 3})),
    SCAN.path: Found(outcome="completed_no_text", code="scan", sha256="bb"),
    LOCKED.path: Found(outcome="refused", code="encrypted_archive"),
    PACKED.path: Found(outcome="unpacked"),
    NOTE.path: Found(outcome="completed", sha256="ee", pages=frozenset({1})),
}


def wrong_with(rows=ROWS, disk=DISK, found=FOUND) -> dict[str, str]:
    """What was found instead, by path."""
    return {difference.path: difference.found for difference in differences(rows, disk, found)}


def test_nothing_differs_when_all_is_as_the_table_says():
    assert wrong_with() == {}


@pytest.mark.parametrize(
    ("path", "found", "said"),
    [
        (BOOK.path, Found(outcome="completed", sha256="aa"), "search does not find the phrase"),
        (BOOK.path, Found(outcome="completed", sha256="aa", pages=frozenset({2, 4})), "on page 2, 4"),
        (BOOK.path, Found(outcome="failed", code="corrupt_file"), "failed, corrupt_file"),
        (BOOK.path, Found(outcome=""), "unfinished"),
        (SCAN.path, Found(outcome="completed_no_text", code="empty"), "completed_no_text, empty"),
        (SCAN.path, Found(outcome="completed"), "completed"),
        (LOCKED.path, Found(outcome="refused", code="not_a_zip"), "refused, not_a_zip"),
        (NOTE.path, replace(FOUND[NOTE.path], sha256="ff"), "other bytes"),
    ],
)
def test_an_outcome_code_phrase_page_or_content_that_is_another_is_noticed(path, found, said):
    wrong = list(differences(ROWS, DISK, FOUND | {path: found}))
    assert [each.path for each in wrong] == [path]
    assert said in wrong[0].found


def test_why_there_is_no_text_is_asked_only_where_the_table_is_sure_of_it():
    unsure = replace(SCAN, code="")
    assert wrong_with(rows=[BOOK, unsure, LOCKED, PACKED, NOTE]) == {}


def test_a_file_of_the_folder_that_the_table_does_not_know_is_noticed():
    assert wrong_with(disk=DISK | {"tika/new.pdf": "99"}) == {"tika/new.pdf": "there is none"}


def test_a_file_inside_another_that_the_table_does_not_know_is_noticed():
    surprise = {"zips/packed.zip!more.txt": Found(outcome="completed")}
    assert wrong_with(found=FOUND | surprise) == {"zips/packed.zip!more.txt": "completed"}


def test_a_file_of_the_table_that_is_not_in_the_folder_is_noticed():
    disk = {path: sha for path, sha in DISK.items() if path != BOOK.path}
    found = {path: each for path, each in FOUND.items() if path != BOOK.path}
    assert wrong_with(disk=disk, found=found) == {BOOK.path: "there is none"}


def test_a_file_that_should_have_come_out_of_another_is_missed():
    found = {path: each for path, each in FOUND.items() if path != NOTE.path}
    assert wrong_with(found=found) == {NOTE.path: "no such file came out of it"}


def test_a_file_of_the_folder_that_was_changed_is_noticed():
    assert wrong_with(disk=DISK | {BOOK.path: "99"}) == {BOOK.path: "99…"}


def test_the_score_counts_files_of_supported_types_and_leaves_out_those_without_text():
    wrong = list(differences(ROWS, DISK, FOUND | {NOTE.path: Found(outcome="failed", code="corrupt_file")}))
    scored = scores(ROWS, wrong, ("pdf", "text"))
    assert (scored[""].files, scored[""].completed, scored[""].no_text) == (3, 1, 1)
    assert (scored[""].percent, scored["pdf"].percent, scored["text"].percent) == (50, 100, 0)
    assert NOTE.path in report(wrong, scored)


def test_a_table_that_says_of_too_many_files_that_they_fail_does_not_pass():
    locked = [replace(LOCKED, path=f"tika/{n}.pdf", type="pdf", outcome="failed") for n in range(2)]
    assert passed([], scores(ROWS, [], ("pdf", "text")))
    assert not passed([], scores([*ROWS, *locked], [], ("pdf", "text")))


def test_a_table_with_two_rows_about_one_file_is_refused(tmp_path: Path):
    table = tmp_path / "expected.csv"
    table.write_text("path,type,sha256,outcome,code,phrase,page,note\n" + "a.txt,text,,failed,corrupt_file,,,\n" * 2)
    with pytest.raises(ValueError, match="two rows about one file"):
        read_table(table)


@pytest.mark.parametrize("row", ["completed,,,1,", "completed,,words,,", "failed,corrupt_file,words,1,"])
def test_what_is_completed_has_a_phrase_and_its_page_and_nothing_else_has(row: str, tmp_path: Path):
    table = tmp_path / "expected.csv"
    table.write_text(f"path,type,sha256,outcome,code,phrase,page,note\na.txt,text,,{row}\n")
    with pytest.raises(ValueError, match=r"a\.txt"):
        read_table(table)


def test_the_table_knows_every_file_of_the_folder_as_it_is(corpus: Path):
    assert {row.path: row.sha256 for row in read_table() if row.uploaded} == on_disk(corpus)


def test_the_files_are_those_of_three_folders_by_their_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in (*FOLDERS, "price"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_bytes(b"")
    monkeypatch.setenv("DOCQUEUE_CORPUS", str(tmp_path))
    nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert on_disk(corpus_folder()) == {f"{name}/a.txt": nothing for name in FOLDERS}
