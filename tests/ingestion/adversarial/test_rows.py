"""The table of hostile inputs: what each must come to, and the tests that show it.

Of every one it is asked, too, that nothing else in its upload is lost and that no unfinished file stays behind:
`conftest.Door` looks at that. Numbers that are missing are about other parts of the project, or not built yet.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent


class Row(NamedTuple):
    """One hostile input. `tests` are `file::name` in this folder, without `test_` and `.py`; others with their path."""

    what: str
    becomes: str
    tests: tuple[str, ...]


AT_THE_DOOR = "archives::a_hostile_archive_is_refused_at_the_door_and_nothing_of_it_is_kept"
BESIDE = "archives::hostile_archives_among_the_files_of_an_upload_fail_each_with_its_code_and_alone"
ROWS: dict[int, Row] = {
    1: Row("a file of 0 bytes", "empty_file", (
        "types::an_empty_file_fails_alone_among_others_and_is_refused_when_it_is_all",
        "types::an_empty_file_in_an_archive_fails_alone",
    )),
    2: Row("a zip without entries", "completed, 0 files, a message", (
        "archives::an_empty_archive_is_completed_and_says_that_it_is_empty",
    )),
    3: Row("a zip cut in half", "truncated_archive", (
        AT_THE_DOOR, BESIDE, "damaged_archives::damaged_archives_end_each_with_a_code_and_nothing_waits_for_ever",
    )),
    4: Row("an HTML error page named .zip", "type_mismatch", (
        "archives::an_error_page_named_zip_is_a_type_mismatch",
    )),
    5: Row("names that point outside", "unsafe_path: the archive, or by setting that file", (
        AT_THE_DOOR, BESIDE, "archives::a_name_that_points_outside_fails_alone_where_the_policy_says_so",
    )),
    6: Row("symbolic link, hard link, device", "link_entry", (AT_THE_DOOR, BESIDE)),
    7: Row("NUL in a name", "bad_name", (
        "names_and_tags::a_nul_in_a_name_is_a_bad_name_and_the_names_are_compared_as_they_are",
    )),
    8: Row("names twice, by case only, file and folder of one name", "all kept", (
        "names_and_tags::names_that_are_equal_differ_in_case_or_name_a_folder_too_are_all_kept",
    )),
    9: Row("RTL override, 300 bytes, CON.txt, trailing dot", "a safe name, an escaped label", (
        "names_and_tags::names_that_mislead_or_that_no_system_can_store_get_a_safe_name_and_a_label",
        "names_and_tags::the_same_names_sent_as_files_of_their_own_are_safe_too",
    )),
    10: Row("names in cp437, Shift-JIS, GBK", "readable, the bytes kept in the archive", (
        "names_and_tags::a_name_in_an_old_encoding_is_readable_and_its_bytes_are_kept",
    )),
    11: Row("full and quoted overlap", "overlapping_entries before a byte is written", (
        AT_THE_DOOR, BESIDE, "archives::an_overlap_is_refused_before_any_byte_is_written",
    )),
    12: Row("10 GB of zeros in 10 MB", "ratio_exceeded; declared sizes are not trusted", (
        AT_THE_DOOR, BESIDE, "archives::a_bomb_that_declares_a_small_size_is_stopped_at_that_size",
    )),
    13: Row("an entry larger or smaller than declared", "size_mismatch", (
        "archives::an_entry_of_another_size_than_declared_fails_alone",
        "archives::an_entry_that_fails_by_itself_needs_no_room_whatever_size_it_claims",
    )),
    14: Row("a zip of 1,000,000 entries", "too_many_files from the end record, in little memory", (
        AT_THE_DOOR, BESIDE, "archives::a_million_entries_are_refused_from_the_end_record_in_little_memory",
    )),
    15: Row("droste.zip, nesting as in 42.zip", "nesting_too_deep", (
        "archives::archives_in_one_another_like_42_zip_are_opened_to_the_limit_and_no_further",
        "archives::an_archive_that_holds_itself_ends_at_the_limit",
    )),
    16: Row("ZipCrypto, AES, 7z with encrypted header", "encrypted_archive", (
        AT_THE_DOOR, BESIDE, "archives::real_encrypted_archives_are_told_so",
    )),
    17: Row("Deflate64, Zstandard, LZMA", "read, or unsupported_compression naming the method", (
        "archives::an_entry_of_an_unsupported_method_fails_alone_and_the_method_is_named",
        "archives::a_real_deflate64_archive_names_its_method",
        "archives::entries_packed_by_lzma_and_bzip2_are_read",
    )),
    18: Row("zip64 with data descriptors, junk around it", "accepted", (
        "archives::a_streamed_zip64_archive_with_junk_around_it_is_accepted",
    )),
    19: Row("a part of a spanned archive", "multi_volume", (AT_THE_DOOR, BESIDE)),
    20: Row("a bad checksum in entry 3 of 5", "crc_mismatch on one, four completed", (
        "archives::one_entry_with_a_bad_checksum_among_five_fails_alone",
    )),
    21: Row("__MACOSX/, .DS_Store, Thumbs.db", "skipped, counted by themselves", (
        "names_and_tags::what_an_operating_system_left_behind_is_skipped_and_counted_by_itself",
    )),
    22: Row("a program named .pdf; a PDF named .txt", "type_mismatch; read, with a warning", (
        "types::a_program_named_pdf_is_a_type_mismatch",
        "types::a_program_is_never_taken_for_a_document",
        "types::a_pdf_named_txt_is_read_as_what_it_is_with_a_warning",
    )),
    23: Row("a PDF with an open password; with an owner's only", "password_required; read", (
        "documents::a_pdf_that_needs_a_password_says_so_and_one_that_only_forbids_is_read",
        "documents::real_pdfs_with_passwords_end_the_same_way",
    )),
    24: Row("a scan", "completed_no_text, needs_ocr", (
        "documents::a_scan_is_completed_without_text_and_says_for_people_and_programs_that_it_needs_ocr",
    )),
    25: Row("a PDF with U+0000, U+FFFE, lone surrogates", "clean text", (
        "documents::a_pdf_with_nul_noncharacters_and_half_characters_in_its_text_is_completed_and_clean",
    )),
    26: Row("damaged PDFs", "text or a code, never a lost worker", (
        "corrupt_pdfs::a_hundred_damaged_pdfs_end_with_text_or_a_code_and_no_worker_is_lost",
        "corrupt_pdfs::a_pdf_that_unpacks_to_gigabytes_is_given_up_after_two_tries_and_its_neighbours_are_completed",
        "corrupt_pdfs::a_pdf_cut_anywhere_is_corrupt_in_a_real_worker_and_its_neighbours_are_completed",
    )),
    27: Row("a DOCX that is a zip or an XML bomb", "ratio_exceeded; xml_forbidden_entity", (
        "documents::office_files_that_are_bombs_fail_alone_and_nothing_outside_is_read",
    )),
    28: Row("an XLSX with A1 and XFD1048576", "two cells", (
        "documents::a_sheet_with_two_cells_in_opposite_corners_is_read_and_has_two_cells",
    )),
    35: Row("the same file again: in one zip, at once, after deletion, after a failure", "one document, duplicates", (
        "duplicates::the_same_file_twice_in_one_archive_is_completed_once",
        "duplicates::the_same_file_in_two_uploads_at_once_is_completed_once",
        "duplicates::the_same_archive_twice_at_once_is_worked_off_by_three_workers_and_completed_once",
        "duplicates::the_same_file_after_the_first_was_deleted_is_taken_anew",
        "duplicates::the_same_file_after_a_failed_first_try_is_completed_and_the_first_becomes_the_duplicate",
    )),
    36: Row("two different scans without text", "no duplicates", (
        "duplicates::two_different_scans_without_text_are_two_documents",
    )),
    37: Row("the disk full: during an unpacking, an upload, a commit", "waits (disk_low) and goes on by itself", (
        "../test_disk_low.py::an_unpacking_waits_for_room_and_goes_on_by_itself",
        "../test_disk_low.py::an_upload_for_which_there_is_no_room_is_refused_and_leaves_nothing",
        "../test_disk_full_commit.py::a_commit_without_room_waits_and_goes_on_by_itself",
    )),
    38: Row("kill -9 of worker, web server, PostgreSQL at each stage", "completed, once in the knowledge store", (
        "../test_killed_everywhere.py::fifty_deaths_at_the_boundaries_of_stages_lose_nothing_and_double_nothing",
        "../test_worker_crash.py::a_killed_worker_loses_no_file_and_doubles_none",
        "../test_postgres_killed.py::files_are_completed_once_though_postgresql_dies_at_the_boundaries_of_their_stages",
        "../../test_web_crash.py::killing_the_web_server_loses_no_accepted_upload_and_doubles_none",
        "../km/test_outage_and_kills.py::workers_killed_at_random_moments_bring_each_file_to_the_store_once",
    )),
    39: Row("a store that is down, hangs, cuts, answers nonsense, refuses one of 50", "retried; 49 completed", (
        "../km/test_outage_and_kills.py::files_wait_while_the_store_is_down_and_all_complete_when_it_is_back",
        "../km/test_pipeline_http.py::while_the_store_serves_nobody_files_wait_and_spend_no_attempt",
        "../km/test_http_km.py::each_failure_has_its_name",
        "../km/test_http_km.py::what_passes_soon_is_overcome_within_the_call_and_nothing_is_there_twice",
        "../km/test_pipeline_http.py::an_answer_that_was_lost_after_the_store_had_stored_sends_nothing_twice",
        "../km/test_pipeline_http.py::one_of_fifty_that_the_store_refuses_fails_alone",
    )),
    40: Row("a client gone at 1.9 of 2 GB; two PATCHes at once; wrong offset; bad checksum", "offset = bytes on disk", (
        "../resumable/test_clients.py::a_client_and_the_server_are_killed_in_the_middle_of_2_gib",
        "../resumable/test_live.py::what_arrived_before_the_client_vanished_counts",
        "../resumable/test_live.py::of_patches_at_once_one_writes_and_the_others_are_refused",
        "../resumable/test_uploads.py::a_wrong_offset_is_refused_and_nothing_changes",
        "../resumable/test_uploads.py::a_checksum_that_does_not_fit_leaves_nothing_of_its_piece",
    )),
    47: Row("a tag of 10,000 characters; SQL, HTML and formulas in names", "refused or stored, escaped everywhere", (
        "names_and_tags::a_tag_of_ten_thousand_characters_is_refused_wherever_it_is_given",
        "names_and_tags::tags_that_no_database_can_store_are_refused",
        "names_and_tags::sql_html_and_formulas_in_names_and_tags_are_only_words",
        "names_and_tags::hostile_names_of_the_upload_itself_and_of_what_fails_are_escaped",
        "names_and_tags::html_in_a_text_or_title_is_escaped_in_snippets_and_pages",
    )),
}  # fmt: skip


def written_tests() -> set[str]:
    """Every test of this folder but those of this file."""
    found = set()
    for path in HERE.glob("test_*.py"):
        if path.name != Path(__file__).name:
            room = path.stem.removeprefix("test_")
            found |= {f"{room}::{name}" for name in names_in(path)}
    return found


def names_in(path: Path) -> set[str]:
    """The tests of a file, without `test_`."""
    names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    return {name.removeprefix("test_") for name in names if name.startswith("test_")}


@pytest.mark.parametrize("number", [*range(1, 29), *range(35, 41), 47])
def test_each_hostile_input_has_its_tests(number: int) -> None:
    assert ROWS[number].tests
    for test in ROWS[number].tests:
        place, _, name = test.partition("::")
        elsewhere = place.endswith(".py")
        assert name in names_in(HERE / place) if elsewhere else test in written_tests(), test


def test_each_test_here_belongs_to_a_hostile_input() -> None:
    named = {test for row in ROWS.values() for test in row.tests}
    assert {test for test in named if ".py::" not in test} == written_tests()
